/* SPDX-License-Identifier: Apache-2.0 */
#include "time/servo.h"

#include "base/bytes.h"

#include <string.h>

#define NS_PER_S 1000000000ull
#define PPB 1000000000ll
#define ONE 65536ll               /* 1 ppb of a rate */
#define RATE_MAX (500000 * ONE)   /* 500 ppm */
#define BASELINE_NS 1000000000ull /* of the first frequency */
#define GAIN_P_NUM 3              /* kp = 0.3 / s */
#define GAIN_P_DEN 10
#define GAIN_I_NUM 4 /* ki = 0.04 / s^2 */
#define GAIN_I_DEN 100
#define UPDATE_NS_MAX 2000000000ull /* a gap adds no more to the integral */
#define RECENT_NS 2000000000ull
#define RECENT_NS_MAX 10000000000ull
#define RECENT_MIN 3u
#define JUMP_SAMPLES 3u
#define JUMP_AGREE_NS 1000000u /* samples of one jump agree within */
#define SETTLE_SAMPLES 4u
#define GROWTH_LOCKED_PPM 5u /* of an oscillator whose frequency is known */
#define GROWTH_PPM 100u
#define UNSETTLED_S 4u /* the frequency's error falls as 4 s / (age + 3 s) or faster */
#define UNSETTLED_NS_MAX 10000000u

static uint64_t or_default(uint64_t value, uint64_t fallback)
{
    return value != 0 ? value : fallback;
}

void axi_servo_init(struct axi_servo *servo, const struct axi_servo_config *config)
{
    memset(servo, 0, sizeof(*servo));
    servo->config = (struct axi_servo_config){
        .jump_ns = or_default(config->jump_ns, 100000000u),
        .lock_ns = or_default(config->lock_ns, 20000u),
        .unlock_ns = or_default(config->unlock_ns, 1000000u),
        .silent_ns = or_default(config->silent_ns, 3000000000u),
        .asymmetry_ns = config->asymmetry_ns,
    };
}

static uint64_t magnitude(int64_t value)
{
    return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

static int64_t clamp(int64_t value, int64_t limit)
{
    return value > limit ? limit : value < -limit ? -limit : value;
}

/* Master time that the line gives for a local time. */
static uint64_t line_at(const struct axi_servo *servo, uint64_t local_ns)
{
    int64_t elapsed = (int64_t)(local_ns - servo->anchor.local_ns);
    __int128 extra = (__int128)elapsed * servo->rate / ((__int128)PPB * ONE);

    return servo->anchor.master_ns + (uint64_t)elapsed + (uint64_t)(int64_t)extra;
}

static void anchor_at(struct axi_servo *servo, uint64_t local_ns, uint64_t master_ns)
{
    servo->anchor = (struct axi_servo_pair){.local_ns = local_ns, .master_ns = master_ns};
}

/* ---- medians ---- */

struct spread {
    uint32_t count;
    int64_t median;
    uint64_t jitter;
};

/* Samples worth a median: the last two seconds, and a few more where they are rare. Old ones were
 * taken under another rate. */
static bool is_recent(uint64_t age_ns, uint32_t newer)
{
    return age_ns <= RECENT_NS || (newer < RECENT_MIN && age_ns <= RECENT_NS_MAX);
}

/* Of the line's time minus the master's, for the recent pairs of a window. */
static struct spread judge(const struct axi_servo *servo, const struct axi_servo_pair *pairs,
                           uint32_t count)
{
    int64_t sorted[AXI_SERVO_WINDOW];
    uint32_t n = 0;
    uint64_t now_ns = servo->syncs[(servo->sync_count - 1) % AXI_SERVO_WINDOW].local_ns;

    for (uint32_t i = 0; i < count && i < AXI_SERVO_WINDOW; i++) {
        const struct axi_servo_pair *pair = &pairs[(count - 1 - i) % AXI_SERVO_WINDOW];
        int64_t value = (int64_t)(line_at(servo, pair->local_ns) - pair->master_ns);
        uint32_t at = n;

        if (!is_recent(axi_sub_sat(now_ns, pair->local_ns), i)) {
            break;
        }
        while (at > 0 && sorted[at - 1] > value) {
            sorted[at] = sorted[at - 1];
            at--;
        }
        sorted[at] = value;
        n++;
    }
    if (n == 0) {
        return (struct spread){0};
    }
    uint32_t edge = n / 6;

    return (struct spread){
        .count = n,
        .median = sorted[(n - 1) / 2] + (sorted[n / 2] - sorted[(n - 1) / 2]) / 2,
        .jitter = (uint64_t)(sorted[n - 1 - edge] - sorted[edge]),
    };
}

/* Offset and delay on the present line: (t2 - t1) = delay + offset, (t4 - t3) = delay - offset. */
static void measure(struct axi_servo *servo)
{
    struct spread there = judge(servo, servo->syncs, servo->sync_count);
    struct spread back = judge(servo, servo->delays, servo->delay_count);

    servo->has_delay = back.count > 0;
    if (!servo->has_delay) {
        servo->offset_ns = 0; /* it all may be path */
        servo->jitter_ns = there.jitter;
        return;
    }
    servo->offset_ns = there.median / 2 + back.median / 2;
    servo->delay_ns = there.median / 2 - back.median / 2;
    servo->jitter_ns = there.jitter + back.jitter;
}

/* ---- control ---- */

static uint32_t set_state(struct axi_servo *servo, uint32_t state)
{
    uint32_t changed = servo->state != state ? AXI_SERVO_STATE_CHANGED : 0;

    servo->state = state;
    return changed;
}

static void begin(struct axi_servo *servo, uint64_t t1, uint64_t t2)
{
    bool has_rate = servo->has_rate;
    int64_t drift = servo->drift;
    struct axi_servo_config config = servo->config;

    memset(servo, 0, sizeof(*servo));
    servo->config = config;
    servo->has_line = true;
    servo->drift = drift; /* the own oscillator is the same one */
    servo->rate = has_rate ? drift : 0;
    anchor_at(servo, t2, t1);
    servo->first = servo->anchor;
}

/* The first frequency, from the baseline. */
static void find_rate(struct axi_servo *servo, uint64_t t1, uint64_t t2)
{
    int64_t local = (int64_t)(t2 - servo->first.local_ns);
    int64_t master = (int64_t)(t1 - servo->first.master_ns);
    __int128 rate = (__int128)(master - local) * PPB * ONE / local;

    servo->drift = clamp(rate > RATE_MAX    ? RATE_MAX
                         : rate < -RATE_MAX ? -RATE_MAX
                                            : (int64_t)rate,
                         RATE_MAX);
    servo->rate = servo->drift;
    servo->has_rate = true;
    measure(servo);
    anchor_at(servo, t2, line_at(servo, t2) - (uint64_t)servo->offset_ns);
    measure(servo);
}

/* PI: ns of offset per s is ppb. */
static void control(struct axi_servo *servo, uint64_t t2)
{
    uint64_t since = t2 - servo->heard_ns;
    int64_t offset = clamp(servo->offset_ns, (int64_t)servo->config.jump_ns);

    since = since < UPDATE_NS_MAX ? since : UPDATE_NS_MAX;
    anchor_at(servo, t2, line_at(servo, t2));
    servo->drift -=
        (int64_t)(((__int128)offset * ONE * GAIN_I_NUM / GAIN_I_DEN) * (int64_t)since / PPB);
    servo->drift = clamp(servo->drift, RATE_MAX);
    servo->rate =
        clamp(servo->drift - (int64_t)((__int128)offset * ONE * GAIN_P_NUM / GAIN_P_DEN), RATE_MAX);
}

static uint32_t judge_lock(struct axi_servo *servo)
{
    uint64_t error = magnitude(servo->offset_ns);
    uint64_t limit =
        servo->jitter_ns > servo->config.lock_ns ? servo->jitter_ns : servo->config.lock_ns;

    servo->settled = error <= limit ? servo->settled + 1 : 0;
    servo->astray = error > servo->config.unlock_ns ? servo->astray + 1 : 0;
    if (servo->state != AXI_SERVO_LOCKED && servo->has_rate && servo->has_delay &&
        servo->settled >= SETTLE_SAMPLES) {
        return set_state(servo, AXI_SERVO_LOCKED);
    }
    if (servo->state == AXI_SERVO_LOCKED && servo->astray >= SETTLE_SAMPLES) {
        return set_state(servo, AXI_SERVO_LOCKING);
    }
    if (servo->state == AXI_SERVO_UNLOCKED || servo->state == AXI_SERVO_HOLDOVER) {
        return set_state(servo, AXI_SERVO_LOCKING);
    }
    return 0;
}

/* What is not known: the present offset, how uneven the path is, and the noise. */
static uint64_t bound_of(const struct axi_servo *servo)
{
    uint64_t path =
        servo->config.asymmetry_ns != 0 ? servo->config.asymmetry_ns : magnitude(servo->delay_ns);

    if (!servo->has_delay) {
        return UINT64_MAX;
    }
    return axi_add_sat(axi_add_sat(magnitude(servo->offset_ns), path), servo->jitter_ns);
}

/* True when the sample does not belong to this line. */
static bool is_far(const struct axi_servo *servo, uint64_t t1, uint64_t t2)
{
    int64_t value = (int64_t)(line_at(servo, t2) - t1);

    return magnitude(value) > servo->config.jump_ns;
}

/* Several samples that agree with each other, but not with the line, are the new truth. */
static uint32_t on_far(struct axi_servo *servo, uint64_t t1, uint64_t t2)
{
    int64_t local = (int64_t)(t2 - servo->suspect.local_ns);
    int64_t master = (int64_t)(t1 - servo->suspect.master_ns);

    if (servo->suspects == 0 || magnitude(master - local) > JUMP_AGREE_NS) {
        servo->suspect = (struct axi_servo_pair){.local_ns = t2, .master_ns = t1};
        servo->suspects = 0;
    }
    servo->suspects++;
    if (servo->suspects < JUMP_SAMPLES && !servo->is_new_master) {
        return AXI_SERVO_REFUSED;
    }
    uint32_t before = servo->state;

    begin(servo, t1, t2);
    servo->state = AXI_SERVO_LOCKING;
    servo->heard_ns = t2;
    servo->base_bound_ns = UINT64_MAX;
    servo->syncs[servo->sync_count++] = servo->anchor;
    return AXI_SERVO_JUMPED | (before != AXI_SERVO_LOCKING ? AXI_SERVO_STATE_CHANGED : 0);
}

uint32_t axi_servo_sync(struct axi_servo *servo, uint64_t t1, uint64_t t2)
{
    uint32_t did;

    if (!servo->has_line) {
        begin(servo, t1, t2);
        servo->heard_ns = t2;
    } else if (t2 <= servo->heard_ns) {
        return AXI_SERVO_REFUSED; /* repeated, or overtaken */
    } else if (is_far(servo, t1, t2)) {
        return on_far(servo, t1, t2);
    }
    servo->suspects = 0;
    servo->is_new_master = false;
    servo->syncs[servo->sync_count++ % AXI_SERVO_WINDOW] =
        (struct axi_servo_pair){.local_ns = t2, .master_ns = t1};
    if (!servo->has_rate && servo->delay_count > 0 && t2 - servo->first.local_ns >= BASELINE_NS) {
        find_rate(servo, t1, t2);
    } else {
        measure(servo);
        if (servo->has_rate) {
            control(servo, t2);
        } else if (servo->has_delay) { /* not settled yet: the estimate may still move at once */
            anchor_at(servo, t2, line_at(servo, t2) - (uint64_t)servo->offset_ns);
            measure(servo);
        }
    }
    servo->heard_ns = t2;
    did = judge_lock(servo);
    servo->base_bound_ns = bound_of(servo);
    return did;
}

void axi_servo_delay(struct axi_servo *servo, uint64_t t3, uint64_t t4)
{
    if (!servo->has_line || is_far(servo, t4, t3)) {
        return;
    }
    servo->delays[servo->delay_count++ % AXI_SERVO_WINDOW] =
        (struct axi_servo_pair){.local_ns = t3, .master_ns = t4};
}

uint32_t axi_servo_tick(struct axi_servo *servo, uint64_t now_ns)
{
    if (servo->has_line && axi_sub_sat(now_ns, servo->heard_ns) > servo->config.silent_ns &&
        servo->state != AXI_SERVO_HOLDOVER && servo->state != AXI_SERVO_UNLOCKED) {
        if (servo->state == AXI_SERVO_LOCKED) {
            anchor_at(servo, servo->heard_ns, line_at(servo, servo->heard_ns));
            servo->rate = servo->drift; /* the proportional part was for the offset of then */
            return set_state(servo, AXI_SERVO_HOLDOVER);
        }
        return set_state(servo, AXI_SERVO_UNLOCKED);
    }
    return 0;
}

void axi_servo_change_master(struct axi_servo *servo)
{
    servo->is_new_master = true; /* a far first sample is taken for what it is */
    servo->sync_count = servo->delay_count = 0;
}

/* How fast the bound grows without a Sync: what an oscillator drifts, and what its frequency may
 * yet be off by. That was found over the first second, to within the bound of then, and settles as
 * the controller does. */
static uint32_t growth_of(const struct axi_servo *servo)
{
    if (!servo->has_rate || servo->state == AXI_SERVO_UNLOCKED ||
        servo->base_bound_ns > UNSETTLED_NS_MAX) {
        return GROWTH_PPM;
    }
    uint64_t settled_ms = axi_sub_sat(servo->heard_ns, servo->first.local_ns) / 1000000u;
    uint64_t off_ppb =
        servo->base_bound_ns * UNSETTLED_S * 1000 / (settled_ms + (UNSETTLED_S - 1) * 1000);
    uint64_t ppm = GROWTH_LOCKED_PPM + (off_ppb + 999) / 1000;

    return ppm < GROWTH_PPM ? (uint32_t)ppm : GROWTH_PPM;
}

void axi_servo_estimate(const struct axi_servo *servo, uint64_t now_ns,
                        struct axi_servo_estimate *ret)
{
    *ret = (struct axi_servo_estimate){
        .state = servo->state,
        .master_ns = servo->has_line ? line_at(servo, now_ns) : now_ns,
        .rate_ppb = servo->has_rate ? servo->drift / ONE : 0,
        .bound_ns = UINT64_MAX,
        .growth_ppm = growth_of(servo),
        .offset_ns = servo->offset_ns,
        .delay_ns = servo->delay_ns,
        .jitter_ns = servo->jitter_ns,
    };
    if (servo->has_line && servo->base_bound_ns != UINT64_MAX) {
        uint64_t age = axi_sub_sat(now_ns, servo->heard_ns);

        ret->bound_ns =
            axi_add_sat(servo->base_bound_ns, axi_mul_sat(age, ret->growth_ppm) / 1000000u);
    }
}

void axi_servo_log(enum axi_log_level level, uint64_t local_ns,
                   const struct axi_servo_estimate *estimate)
{
    axi_log(level, "clock-sample",
            "seconds=%llu.%06llu state=%s offset_ns=%lld delay_ns=%lld bound_ns=%llu",
            (unsigned long long)(local_ns / NS_PER_S),
            (unsigned long long)(local_ns % NS_PER_S / 1000), axi_servo_state_name(estimate->state),
            (long long)estimate->offset_ns, (long long)estimate->delay_ns,
            (unsigned long long)estimate->bound_ns);
}

const char *axi_servo_state_name(uint32_t state)
{
    static const char *const names[] = {"unlocked", "locking", "locked", "holdover"};

    return state < sizeof(names) / sizeof(names[0]) ? names[state] : "unknown";
}
