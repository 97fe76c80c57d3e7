/* SPDX-License-Identifier: Apache-2.0 */
#include "model/enumerate.h"

#include "model/model_internal.h"

enum { JOB_LIMIT = 64 };

struct job {
    const struct axi_pmf *pmf;
    uint32_t task;
    uint64_t release;
    uint64_t end;  /* aborted at this time */
    size_t choice; /* pmf->count: never completes */
    uint64_t left;
};

struct scene {
    const struct axi_model *model;
    size_t k;
    size_t count;
    struct job jobs[JOB_LIMIT]; /* the judged job last */
};

static int add_job(struct scene *scene, const struct axi_pmf *pmf, size_t task, uint64_t release,
                   uint64_t end)
{
    if (scene->count == JOB_LIMIT) {
        return -AXC_EMODEL_GRID;
    }
    scene->jobs[scene->count++] =
        (struct job){.pmf = pmf, .task = (uint32_t)task, .release = release, .end = end};
    return 0;
}

static int build(struct scene *scene, bool abort_others)
{
    const struct axi_model *model = scene->model;
    uint64_t deadline = model->tasks[scene->k].deadline;
    int error = 0;

    for (size_t i = 0; i < model->count; i++) {
        const struct axi_model_task *task = &model->tasks[i];

        if (!axi_model_interferes(model, i, scene->k)) {
            continue;
        }
        for (uint64_t t = 0; t < deadline && error == 0; t += task->period) {
            error = add_job(scene, &model->interference[i], i, t,
                            abort_others ? t + task->deadline : UINT64_MAX);
        }
    }
    return error == 0 ? add_job(scene, &model->tasks[scene->k].ok, scene->k, 0, UINT64_MAX) : error;
}

/* a runs before b: priority, then the judged job last, then task and release. */
static bool precedes(const struct scene *scene, const struct job *a, const struct job *b)
{
    uint32_t pa = scene->model->tasks[a->task].priority;
    uint32_t pb = scene->model->tasks[b->task].priority;

    if ((a->task == scene->k) != (b->task == scene->k)) {
        return b->task == scene->k;
    }
    if (pa != pb) {
        return pa < pb;
    }
    return a->task != b->task ? a->task < b->task : a->release < b->release;
}

/* Best ready job and the next time at which that may change. */
static struct job *pick(struct scene *scene, uint64_t now, uint64_t *ret_until)
{
    struct job *best = NULL;

    *ret_until = UINT64_MAX;
    for (size_t i = 0; i < scene->count; i++) {
        struct job *job = &scene->jobs[i];

        if (job->release > now) {
            *ret_until = job->release < *ret_until ? job->release : *ret_until;
        } else if (job->left > 0 && now < job->end &&
                   (best == NULL || precedes(scene, job, best))) {
            best = job;
        }
    }
    if (best != NULL && best->end < *ret_until) {
        *ret_until = best->end;
    }
    return best;
}

static bool is_late(struct scene *scene)
{
    struct job *judged = &scene->jobs[scene->count - 1];
    uint64_t deadline = scene->model->tasks[scene->k].deadline;

    for (size_t i = 0; i < scene->count; i++) {
        struct job *job = &scene->jobs[i];

        job->left = job->choice == job->pmf->count ? UINT64_MAX : job->pmf->values[job->choice];
    }
    for (uint64_t now = 0; now < deadline;) {
        uint64_t until = 0;
        struct job *job = pick(scene, now, &until);
        uint64_t run = (until < deadline ? until : deadline) - now;

        if (job != NULL) {
            run = job->left < run ? job->left : run;
            job->left -= run;
        }
        now += run;
        if (judged->left == 0) {
            return false;
        }
    }
    return true;
}

static long double probability(const struct scene *scene)
{
    long double p = 1;

    for (size_t i = 0; i < scene->count; i++) {
        const struct job *job = &scene->jobs[i];

        p *= job->choice == job->pmf->count ? job->pmf->inf : job->pmf->probs[job->choice];
    }
    return p;
}

/* Steps the mixed-radix counter; pmfs without mass at infinity skip that choice. */
static bool next_combination(struct scene *scene)
{
    for (size_t i = 0; i < scene->count; i++) {
        struct job *job = &scene->jobs[i];

        if (++job->choice < job->pmf->count + (job->pmf->inf > 0)) {
            return true;
        }
        job->choice = 0;
    }
    return false;
}

int axi_model_enumerate(const struct axi_model *model, size_t k, bool abort_others,
                        uint64_t max_combinations, double *ret_miss, uint64_t *ret_combinations)
{
    struct scene scene = {.model = model, .k = k};
    long double miss = 0;
    uint64_t combinations = 1;
    int error = build(&scene, abort_others);

    for (size_t i = 0; i < scene.count && error == 0; i++) {
        combinations *= scene.jobs[i].pmf->count + (scene.jobs[i].pmf->inf > 0);
        error = combinations > max_combinations ? -AXC_EMODEL_GRID : 0;
    }
    if (error != 0) {
        return error;
    }
    do {
        if (is_late(&scene)) {
            miss += probability(&scene);
        }
    } while (next_combination(&scene));
    *ret_miss = (double)miss;
    *ret_combinations = combinations;
    return 0;
}
