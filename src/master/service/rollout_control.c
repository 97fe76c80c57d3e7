/* SPDX-License-Identifier: Apache-2.0 */
/* Rollouts as users see and steer them. */
#include "master/service/rollout_internal.h"

#include <string.h>

static int undo(struct axi_master *m, struct axi_service *s, char *ret_reason)
{
    struct axi_service_spec spec;
    struct axi_service_images images = s->previous_images;
    json_t *declared;
    int rc;

    if (axi_rollout_is_reverting(s)) {
        return axi_refuse(ret_reason, AXC_ESTATE, "%s goes back already", s->spec.name);
    }
    if (s->previous == NULL) {
        return axi_refuse(ret_reason, AXC_ESTATE, "%s has no former declaration", s->spec.name);
    }
    if (axi_rollout_is_open(s) && axi_rollout_count_old(s) > 0) {
        rc = axi_rollout_revert(m, s, "undone by hand");
    } else {
        declared = json_deep_copy(s->previous);
        rc = axi_service_spec_from_json(declared, &spec, NULL);
        if (rc == 0) {
            rc = axi_service_redeclare(m, s, declared, &spec, &images, "undone by hand");
        }
        if (rc != 0) {
            json_decref(declared);
        }
    }
    axi_service_look_now(m, s);
    return rc == 0 ? 0 : axi_refuse(ret_reason, -rc, "%s", axi_error_text(rc));
}

int axi_master_rollout(struct axi_master *m, const char *name, const char *action, char *ret_reason)
{
    struct axi_service *s = axi_service_find(m, name);
    struct axi_service next;
    bool is_pause = strcmp(action, "pause") == 0;
    int rc;

    if (s == NULL) {
        return axi_refuse(ret_reason, AXC_ENOENT, "no service %.31s; see: axcan get services",
                          name);
    }
    if (s->is_deleting || s->is_uncertain) {
        return axi_refuse(ret_reason, AXC_EBUSY, "%s is being changed", s->spec.name);
    }
    if (strcmp(action, "undo") == 0) {
        return undo(m, s, ret_reason);
    }
    if (!is_pause && strcmp(action, "resume") != 0) {
        return axi_refuse(ret_reason, AXC_EINVALID, "action must be undo, pause or resume");
    }
    next = *s;
    next.is_paused = is_pause;
    rc = next.is_paused == s->is_paused ? 0 : axi_service_commit(m, s, &next);
    axi_service_look_now(m, s);
    return rc == 0 ? 0 : axi_refuse(ret_reason, -rc, "%s", axi_error_text(rc));
}

json_t *axi_rollout_json(struct axi_master *m, const struct axi_service *s)
{
    json_t *json = s->rollout_record != NULL ? json_deep_copy(s->rollout_record) : NULL;

    if (json == NULL) {
        return NULL;
    }
    json_object_set_new(json, "updated", json_integer((json_int_t)axi_rollout_count_updated(m, s)));
    json_object_set_new(json, "replicas", json_integer((json_int_t)s->spec.replicas));
    json_object_set_new(json, "paused", json_boolean(s->is_paused || s->spec.update.is_paused));
    if (axi_rollout_is_open(s) && s->rollout != NULL && s->rollout->task != 0) {
        const struct axi_task *task = axi_task_find(m, s->rollout->task);

        json_object_set_new(json, "task", json_string(task != NULL ? task->record.name : ""));
        json_object_set_new(json, "good", json_integer((json_int_t)s->rollout->good));
        json_object_set_new(json, "good_needed",
                            json_integer((json_int_t)s->spec.update.good_jobs));
    }
    return json;
}
