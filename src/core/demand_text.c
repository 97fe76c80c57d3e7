/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlines as clock error and latency leave them, and what a refusal says to whoever asked. */
#include "base/bytes.h"
#include "base/text.h"
#include "core/demand.h"

#define NS_PER_US 1000u

uint64_t axi_demand_compensated_ns(uint64_t deadline_ns, const struct axi_demand_margin *margin)
{
    return axi_sub_sat(deadline_ns, axi_add_sat(margin->delta_ns, margin->latency_ns));
}

struct axi_demand_task axi_demand_present(uint64_t wcet_ns, uint64_t period_ns,
                                          uint64_t deadline_ns,
                                          const struct axi_demand_margin *margin)
{
    uint64_t left_ns = axi_demand_compensated_ns(deadline_ns, margin);

    return (struct axi_demand_task){
        .wcet_ns = wcet_ns, .period_ns = period_ns, .deadline_ns = left_ns != 0 ? left_ns : 1};
}

struct text {
    char *to;
    size_t capacity;
};

static void add(const struct text *text, const char *words, uint64_t number)
{
    axi_text_add(text->to, text->capacity, words);
    axi_text_add_number(text->to, text->capacity, number);
}

static uint64_t us_up(uint64_t ns)
{
    return ns / NS_PER_US + (ns % NS_PER_US != 0);
}

/* Rounded so that what is printed is refused, too. */
static void explain_deadline(const struct text *text, const struct axi_demand_task *candidate,
                             uint64_t deadline_ns, const struct axi_demand_margin *margin)
{
    uint64_t lost_ns = axi_add_sat(margin->delta_ns, margin->latency_ns);

    if (lost_ns == 0) {
        add(text, "C ", us_up(candidate->wcet_ns));
        add(text, " us exceeds D ", deadline_ns / NS_PER_US);
        axi_text_add(text->to, text->capacity, " us");
        return;
    }
    if (margin->delta_ns == UINT64_MAX) {
        axi_text_add(text->to, text->capacity,
                     "the clock's error has no bound yet: wait until it is locked");
        return;
    }
    add(text, "D ", deadline_ns / NS_PER_US);
    add(text, " - Delta_max ", us_up(margin->delta_ns));
    add(text, " - d ", us_up(margin->latency_ns));
    add(text, " us is less than C ", us_up(candidate->wcet_ns));
    add(text, " us: needs better sync or D >= ", us_up(axi_add_sat(lost_ns, candidate->wcet_ns)));
    axi_text_add(text->to, text->capacity, " us");
}

static void explain_load(const struct text *text, const struct axi_demand_margin *margin,
                         const struct axi_demand_verdict *verdict)
{
    add(text, "density would be ", verdict->density_ppm);
    add(text, " ppm of a capacity of ", verdict->capacity_ppm);
    if (verdict->load_sign > 0) {
        axi_text_add(text->to, text->capacity, ": the load alone exceeds it");
    } else if (verdict->violation_ns != 0) {
        add(text, ": ", us_up(verdict->demand_ns));
        add(text, " us of work due within ", verdict->violation_ns / NS_PER_US);
        axi_text_add(text->to, text->capacity, " us");
        if (margin->delta_ns != 0) {
            add(text, " with Delta_max ", us_up(margin->delta_ns));
            axi_text_add(text->to, text->capacity, " us");
        }
    } else {
        axi_text_add(text->to, text->capacity, ": too long to decide");
    }
}

void axi_demand_explain(int code, const struct axi_demand_task *candidate, uint64_t deadline_ns,
                        const struct axi_demand_margin *margin,
                        const struct axi_demand_verdict *verdict, char *text, size_t capacity)
{
    const struct text to = {.to = text, .capacity = capacity};

    axi_text_set(text, capacity, NULL);
    switch (code) {
    case -AXC_EADMIT_DEADLINE:
        explain_deadline(&to, candidate, deadline_ns, margin);
        break;
    case -AXC_EADMIT_LOAD:
        explain_load(&to, margin, verdict);
        break;
    case -AXC_EADMIT_NO_WCET:
        axi_text_add(text, capacity, "no WCET is known; measure one: axcan profile");
        break;
    default:
        break;
    }
}
