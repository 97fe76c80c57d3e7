/* SPDX-License-Identifier: Apache-2.0 */
#include "vote/master_link.h"

#include "base/bytes.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

#define MS 1000000ull
#define RETRY_NS (250 * MS)
#define REPORT_NS (1000 * MS)
#define URGENT_NS (20 * MS)    /* between reports of what went wrong */
#define ASK_NS (200 * MS)      /* for an answer with the time, while it is not good */
#define MUTE_NS (5000 * MS)    /* without an answer the master is given up */
#define FORGET_NS (30000 * MS) /* a new master may need so long to know its services */
#define SLACK_NS (1 * MS)      /* for the nodes' clocks */
#define SLACK_NS_MAX (5 * MS)

static uint64_t local_ns(const struct axi_vote_link *link)
{
    return link->port.local_ns(link->port.context);
}

uint64_t axi_vote_link_now(struct axi_vote_link *link)
{
    uint64_t now_ns =
        axi_time_to_master(&link->timebase, (struct axc_time_local){local_ns(link)}).ns;

    link->now_ns = now_ns > link->now_ns ? now_ns : link->now_ns; /* it waits, never goes back */
    return link->now_ns;
}

static void copy(char *to, size_t size, const char *from)
{
    (void)snprintf(to, size, "%s", from);
}

static void send_message(struct axi_vote_link *link, uint32_t type, const void *message)
{
    uint8_t frame[AXI_WIRE_CONTROL_BYTES_MAX];
    size_t bytes = 0;

    if (axi_wire_encode(type, message, NULL, 0, frame, sizeof(frame), &bytes) == 0) {
        link->port.send(link->port.context, link->number, frame, bytes);
    }
}

/* ---- losing it ---- */

static void lost(struct axi_vote_link *link, int code, const char *leader)
{
    bool is_next = axi_masters_failed(&link->masters, code, leader);

    if (link->has_joined) {
        axi_log(AXI_LOG_WARN, "master-lost", "error=%s text=\"goes on with what it was told\"",
                axi_error_name(code));
    }
    link->number = 0;
    link->is_up = link->has_joined = false;
    link->try_ns = local_ns(link) + (is_next ? 0 : RETRY_NS);
}

static void give_up(struct axi_vote_link *link, int code, const char *leader)
{
    link->port.close(link->port.context, link->number);
    lost(link, code, leader);
}

/* ---- messages ---- */

/* After a slow first answer time may be far off, and slewing would take minutes. Nothing here needs
 * it to be smooth: with a good answer it begins anew. */
static void forget_bad_time(struct axi_vote_link *link, uint64_t sent_ns, struct axc_time_local now)
{
    uint64_t bound_ns = axi_time_bound_ns(&link->timebase, now);

    if (bound_ns > SLACK_NS_MAX && (now.ns - sent_ns) / 2 < SLACK_NS_MAX / 2) {
        axi_timebase_init(&link->timebase);
    }
}

static void take_time(struct axi_vote_link *link, uint64_t sent_ns, uint64_t master_ns)
{
    const struct axc_time_local now = {local_ns(link)};

    forget_bad_time(link, sent_ns, now);
    if (axi_timebase_sample(&link->timebase, (struct axc_time_local){sent_ns}, now,
                            (struct axc_time_master){master_ns}) > 0) {
        axi_log(AXI_LOG_WARN, "clock-jump", "text=\"the master's clock is over 100 ms off\"");
    }
    uint64_t bound_ns = axi_time_bound_ns(&link->timebase, now);

    link->heard_ns = now.ns;
    link->slack_ns = SLACK_NS + (bound_ns < SLACK_NS_MAX ? bound_ns : SLACK_NS_MAX);
}

static void take_reply(struct axi_vote_link *link, const axi_HelloReply *reply)
{
    if (reply->result != 0) {
        axi_log(reply->result == -AXC_ENOT_LEADER ? AXI_LOG_INFO : AXI_LOG_ERROR, "join-refused",
                "error=%s text=\"%s\"", axi_error_name(reply->result), reply->reason);
        give_up(link, reply->result, reply->leader);
        return;
    }
    axi_masters_joined(&link->masters);
    take_time(link, link->asked_ns, reply->master_ns);
    link->has_joined = true;
    link->report_ns = link->heard_ns;
    link->answered = link->sequence;
    link->forget_ns = link->heard_ns + FORGET_NS;
    memset(link->is_told, 0, sizeof(link->is_told));
    axi_log(AXI_LOG_INFO, "joined-master", "name=%s master=%s outputs=%s", link->config.name,
            link->masters.address, link->config.output_address);
}

static void read_group(const axi_VoteGroup *wire, struct axi_vote_group *ret_group)
{
    *ret_group = (struct axi_vote_group){.generation = wire->generation,
                                         .needed = wire->needed,
                                         .compare = (enum axi_vote_compare)wire->compare,
                                         .tolerance = wire->tolerance,
                                         .period_ns = wire->period_ns,
                                         .deadline_ns = wire->deadline_ns,
                                         .wait_ns = wire->wait_ns,
                                         .release_ns = wire->release_ns,
                                         .member_count = wire->members_count};

    copy(ret_group->service, sizeof(ret_group->service), wire->service);
    for (uint32_t i = 0; i < wire->members_count; i++) {
        ret_group->members[i] = (struct axi_vote_member){.task = wire->members[i].task_id,
                                                         .epoch_min = wire->members[i].epoch_min,
                                                         .index = wire->members[i].index,
                                                         .is_counted = wire->members[i].is_counted};
    }
}

static uint32_t number_of(const struct axi_vote *vote, const char *service)
{
    const char *name;
    uint32_t i = 0;

    while ((name = axi_vote_service(vote, i)) != NULL && strcmp(name, service) != 0) {
        i++;
    }
    return name != NULL ? i : AXI_VOTE_GROUPS_MAX;
}

/* The numbers of services behind one that went move down. */
static void forget_number(struct axi_vote_link *link, uint32_t number)
{
    memmove(&link->is_told[number], &link->is_told[number + 1],
            (AXI_VOTE_GROUPS_MAX - number - 1) * sizeof(bool));
    link->is_told[AXI_VOTE_GROUPS_MAX - 1] = false;
}

static void take_group(struct axi_vote_link *link, const axi_VoteGroup *wire)
{
    struct axi_vote_group group;
    uint32_t number = number_of(link->vote, wire->service);

    read_group(wire, &group);
    int r = axi_vote_set(link->vote, axi_vote_link_now(link), &group);

    axi_log(r < 0 ? AXI_LOG_ERROR : AXI_LOG_INFO, "vote-group",
            "service=%s generation=%llu members=%u needed=%u error=%s", group.service,
            (unsigned long long)group.generation, group.member_count, group.needed,
            axi_error_name(r));
    if (r == 0 && group.member_count == 0 && number < AXI_VOTE_GROUPS_MAX) {
        forget_number(link, number);
    } else if (r == 0 && group.member_count > 0) {
        link->is_told[number_of(link->vote, group.service)] = true;
    }
}

static void take_message(struct axi_vote_link *link, uint32_t type,
                         const union axi_wire_message *message)
{
    const axi_ManagerStatusAck *ack = &message->ManagerStatusAck;

    if (type == AXI_WIRE_HELLO_REPLY && !link->has_joined) {
        take_reply(link, &message->HelloReply);
    } else if (type == AXI_WIRE_VOTE_GROUP && link->has_joined) {
        take_group(link, &message->VoteGroup);
    } else if (type == AXI_WIRE_MANAGER_STATUS_ACK && ack->sequence == link->sequence) {
        link->answered = ack->sequence;
        take_time(link, link->asked_ns,
                  ack->reply_master_ns -
                      axi_sub_sat(ack->reply_master_ns, ack->receive_master_ns) / 2);
    } else if (type == AXI_WIRE_GOODBYE) {
        axi_log(AXI_LOG_INFO, "master-goodbye", "text=\"%s\"", message->Goodbye.reason);
    }
}

/* ---- the link ---- */

void axi_vote_link_up(struct axi_vote_link *link, uint64_t number)
{
    axi_VoterJoin join = {.protocol_min = AXI_WIRE_VERSION,
                          .protocol_max = AXI_WIRE_VERSION,
                          .voter_id = axi_vote_id(link->config.name, 0),
                          .boot_id = link->config.boot_id};

    if (number != link->number) {
        return;
    }
    link->is_up = true;
    axi_wire_parser_init(&link->parser, link->frame, sizeof(link->frame));
    copy(join.token, sizeof(join.token), link->config.token);
    copy(join.name, sizeof(join.name), link->config.name);
    copy(join.output_address, sizeof(join.output_address), link->config.output_address);
    copy(join.version, sizeof(join.version), link->config.version);
    link->asked_ns = link->heard_ns = local_ns(link);
    send_message(link, AXI_WIRE_VOTER_JOIN, &join);
}

void axi_vote_link_bytes(struct axi_vote_link *link, uint64_t number, const uint8_t *bytes,
                         size_t count)
{
    struct axi_wire_frame frame;
    union axi_wire_message message;
    int r = 0;

    while (number == link->number &&
           (r = axi_wire_feed(&link->parser, &bytes, &count, &frame)) == 1) {
        r = axi_wire_decode(&frame, &message);
        if (r < 0) {
            break;
        }
        take_message(link, frame.type, &message);
    }
    if (number == link->number && r < 0) {
        give_up(link, r, NULL);
    }
}

void axi_vote_link_down(struct axi_vote_link *link, uint64_t number, int code)
{
    if (number == link->number) {
        lost(link, code, NULL);
    }
}

void axi_vote_link_init(struct axi_vote_link *link, struct axi_vote *vote,
                        const struct axi_vote_link_config *config,
                        const struct axi_vote_link_port *port)
{
    *link = (struct axi_vote_link){.config = *config, .vote = vote, .port = *port};
    axi_masters_init(&link->masters, config->masters);
    axi_timebase_init(&link->timebase);
}

static void connect_master(struct axi_vote_link *link, uint64_t now_ns)
{
    const char *address = axi_masters_next(&link->masters);
    int r = *address == '\0' ? -AXC_EINVALID
                             : link->port.connect(link->port.context, address, &link->number);

    link->try_ns = now_ns + RETRY_NS;
    if (r < 0) {
        lost(link, r, NULL);
    }
}

/* ---- reports ---- */

static void fill_report(const struct axi_vote *vote, uint32_t number, axi_VoteReport *ret_report)
{
    struct axi_vote_result result;

    axi_vote_result(vote, number, &result);
    copy(ret_report->service, sizeof(ret_report->service), axi_vote_service(vote, number));
    ret_report->generation = result.generation;
    ret_report->agreed = result.agreed;
    ret_report->failed = result.failed;
    ret_report->failed_in_row = result.failed_in_row;
    ret_report->last_agreed_job = result.last_agreed_job;
    ret_report->counts_count = (pb_size_t)result.member_count;
    for (uint32_t i = 0; i < result.member_count; i++) {
        const struct axi_vote_counts *counts = &result.members[i];

        ret_report->counts[i] = (axi_VoteCount){.task_id = counts->task,
                                                .good = counts->good,
                                                .wrong = counts->wrong,
                                                .silent = counts->silent,
                                                .bad_in_row = counts->bad_in_row,
                                                .good_in_row = counts->good_in_row,
                                                .last_job = counts->last_job};
    }
}

/* A report of no service. */
static void ask_time(struct axi_vote_link *link)
{
    axi_VoteReport message = axi_VoteReport_init_zero;

    link->asked_ns = local_ns(link);
    message.sequence = ++link->sequence;
    message.send_local_ns = link->asked_ns;
    send_message(link, AXI_WIRE_VOTE_REPORT, &message);
}

static void report(struct axi_vote_link *link, bool is_due)
{
    axi_VoteReport message = axi_VoteReport_init_zero;

    for (uint32_t i = 0; axi_vote_service(link->vote, i) != NULL; i++) {
        if (axi_vote_is_urgent(link->vote, i) || is_due) {
            message = (axi_VoteReport)axi_VoteReport_init_zero;
            fill_report(link->vote, i, &message);
            send_message(link, AXI_WIRE_VOTE_REPORT, &message);
        }
    }
    if (is_due) {
        ask_time(link);
    }
}

/* After a slow answer the time is asked for again as soon as there is another, or none comes. */
static bool is_time_wanted(struct axi_vote_link *link, uint64_t now_ns)
{
    const struct axc_time_local now = {now_ns};

    return axi_time_bound_ns(&link->timebase, now) > SLACK_NS_MAX &&
           (link->answered == link->sequence || now_ns - link->asked_ns > ASK_NS);
}

static void forget_untold(struct axi_vote_link *link)
{
    const char *service;

    for (uint32_t i = 0; (service = axi_vote_service(link->vote, i)) != NULL;) {
        struct axi_vote_group gone = {0};

        copy(gone.service, sizeof(gone.service), service);
        if (!link->is_told[i] && axi_vote_set(link->vote, axi_vote_link_now(link), &gone) == 0) {
            axi_log(AXI_LOG_INFO, "vote-group", "service=%s text=\"unknown to the master\"",
                    gone.service);
            forget_number(link, i);
        } else {
            i++;
        }
    }
    link->forget_ns = 0;
}

static void keep(struct axi_vote_link *link, uint64_t now_ns)
{
    static const uint64_t urgent_per_report = REPORT_NS / URGENT_NS;

    if (now_ns - link->heard_ns > MUTE_NS) {
        give_up(link, -AXC_ETIMEOUT, NULL);
        return;
    }
    if (!link->has_joined) {
        return;
    }
    if (link->forget_ns != 0 && now_ns >= link->forget_ns) {
        forget_untold(link);
    }
    if (now_ns >= link->report_ns) {
        bool is_due = link->urgent_reports == 0;

        link->urgent_reports = is_due ? (uint32_t)urgent_per_report : link->urgent_reports - 1;
        report(link, is_due);
        link->report_ns = now_ns + URGENT_NS;
        if (!is_due && is_time_wanted(link, now_ns)) {
            ask_time(link);
        }
    }
}

uint64_t axi_vote_link_tick(struct axi_vote_link *link)
{
    uint64_t now_ns = local_ns(link);

    axi_vote_clock(link->vote, link->slack_ns,
                   link->has_joined && now_ns - link->heard_ns < MUTE_NS);
    if (link->number == 0 && now_ns >= link->try_ns) {
        connect_master(link, now_ns);
    } else if (link->is_up) {
        keep(link, now_ns);
    }
    return link->number == 0 ? link->try_ns : now_ns + (link->has_joined ? URGENT_NS : RETRY_NS);
}

void axi_vote_link_close(struct axi_vote_link *link, const char *reason)
{
    axi_Goodbye message = {0};

    if (link->is_up) {
        copy(message.reason, sizeof(message.reason), reason);
        send_message(link, AXI_WIRE_GOODBYE, &message);
    }
    link->number = 0;
    link->is_up = link->has_joined = false;
}
