/* SPDX-License-Identifier: Apache-2.0 */
/* Path planner. A simulated lidar updates an occupancy grid (log odds, one byte per cell) while a
 * vehicle drives between waypoints; A* (Hart, Nilsson, Raphael 1968) with a binary heap finds the
 * way through it; the vehicle follows. Also reports a coarse map: the mean occupancy of 8 x 8
 * tiles. */
#include "common.h"

#define W 64
#define H 48
#define CELLS (W * H)
#define RAYS 48
#define REACH 12
#define TILE 8
#define TILES (CELLS / (TILE * TILE))
#define FAR_AWAY 0x3fffffff

struct state {
    uint64_t jobs;
    uint64_t digest;
    int32_t x;
    int32_t y;
    uint32_t waypoint;
    uint32_t replans;
    int8_t odds[CELLS]; /* > 0: occupied */
};

struct open_cell {
    int32_t score; /* cost so far + estimate */
    int32_t cell;
};

/* Scratch, written before it is read in every job. */
static int32_t cost[CELLS];
static int16_t parent[CELLS];
static struct open_cell open_cells[CELLS * 4];
static int32_t open_count;

static const int8_t waypoints[4][2] = {{4, 4}, {58, 6}, {56, 42}, {6, 40}};

/* The world: walls with gaps that move, as a function of place and time. */
static int is_wall(int32_t x, int32_t y, uint64_t job)
{
    int32_t gap = (int32_t)(job / 40 % 8) * 3 + 8;

    if (x <= 0 || y <= 0 || x >= W - 1 || y >= H - 1) {
        return 1;
    }
    if ((x & 15) == 15 && (y < gap - 6 || y > gap + 6)) {
        return 1;
    }
    return (mix64((uint64_t)(y * W + x)) & 31) == 0;
}

/* One ray in 8.8 fixed point: cells on the way become freer, the one hit fuller. */
static void cast_ray(struct state *s, double angle, uint64_t job)
{
    int32_t dx = (int32_t)(axc_cos(angle) * 256.0);
    int32_t dy = (int32_t)(axc_sin(angle) * 256.0);
    int32_t x = s->x * 256 + 128;
    int32_t y = s->y * 256 + 128;

    for (int step = 0; step < REACH; step++) {
        int32_t cell = 0;

        x += dx;
        y += dy;
        if (x < 0 || y < 0 || x >= W * 256 || y >= H * 256) {
            return;
        }
        cell = y / 256 * W + x / 256;
        if (is_wall(x / 256, y / 256, job)) {
            s->odds[cell] = (int8_t)clamp_i32(s->odds[cell] + 24, -100, 100);
            return;
        }
        s->odds[cell] = (int8_t)clamp_i32(s->odds[cell] - 6, -100, 100);
    }
}

static void sense(struct state *s, uint64_t job)
{
    struct noise noise = noise_of_job(2, job);

    for (int ray = 0; ray < RAYS; ray++) {
        cast_ray(s, 2.0 * AXC_PI * ray / RAYS + 0.05 * noise_f64(&noise), job);
    }
}

static void open_push(int32_t score, int32_t cell)
{
    int32_t i = open_count;

    if (open_count == CELLS * 4) {
        return;
    }
    open_count++;
    while (i > 0 && open_cells[(i - 1) / 2].score > score) {
        open_cells[i] = open_cells[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    open_cells[i].score = score;
    open_cells[i].cell = cell;
}

static struct open_cell open_pop(void)
{
    struct open_cell top = open_cells[0];
    struct open_cell last = open_cells[--open_count];
    int32_t i = 0;

    for (;;) {
        int32_t child = 2 * i + 1;

        if (child >= open_count) {
            break;
        }
        if (child + 1 < open_count && open_cells[child + 1].score < open_cells[child].score) {
            child++;
        }
        if (open_cells[child].score >= last.score) {
            break;
        }
        open_cells[i] = open_cells[child];
        i = child;
    }
    open_cells[i] = last;
    return top;
}

static int32_t estimate(int32_t cell, int32_t goal)
{
    int32_t dx = cell % W - goal % W;
    int32_t dy = cell / W - goal / W;

    return 10 * ((dx < 0 ? -dx : dx) + (dy < 0 ? -dy : dy));
}

static void visit(const struct state *s, int32_t from, int32_t to, int32_t goal)
{
    int32_t odds = s->odds[to];
    int32_t step = cost[from] + 10 + (odds > 0 ? odds * 3 : 0);

    if (odds < 60 && step < cost[to]) {
        cost[to] = step;
        parent[to] = (int16_t)from;
        open_push(step + estimate(to, goal), to);
    }
}

/* The cost of the way from start to goal, FAR_AWAY when there is none. */
static int32_t plan(const struct state *s, int32_t start, int32_t goal)
{
    for (int i = 0; i < CELLS; i++) {
        cost[i] = FAR_AWAY;
        parent[i] = -1;
    }
    open_count = 0;
    cost[start] = 0;
    open_push(estimate(start, goal), start);
    while (open_count > 0) {
        struct open_cell top = open_pop();
        int32_t x = top.cell % W;
        int32_t y = top.cell / W;

        if (top.cell == goal) {
            return cost[goal];
        }
        if (top.score > cost[top.cell] + estimate(top.cell, goal)) {
            continue; /* a better way to this cell was found later */
        }
        if (x > 0) {
            visit(s, top.cell, top.cell - 1, goal);
        }
        if (x < W - 1) {
            visit(s, top.cell, top.cell + 1, goal);
        }
        if (y > 0) {
            visit(s, top.cell, top.cell - W, goal);
        }
        if (y < H - 1) {
            visit(s, top.cell, top.cell + W, goal);
        }
    }
    return FAR_AWAY;
}

/* Back along the way to its first step. */
static int32_t first_step(int32_t start, int32_t goal)
{
    int32_t cell = goal;

    while (parent[cell] >= 0 && parent[cell] != start) {
        cell = parent[cell];
    }
    return parent[cell] == start ? cell : start;
}

static void move(struct state *s, int32_t goal, int32_t way)
{
    int32_t start = s->y * W + s->x;

    if (way != FAR_AWAY) {
        int32_t next = first_step(start, goal);

        s->x = next % W;
        s->y = next / W;
    } else {
        s->replans++;
        for (int i = 0; i < CELLS; i++) { /* stuck: trust the map less */
            s->odds[i] = (int8_t)(s->odds[i] / 2);
        }
    }
    if (start == goal || s->y * W + s->x == goal) {
        s->waypoint++;
    }
}

static void digest_map(struct state *s)
{
    for (int tile = 0; tile < TILES; tile++) {
        int32_t x0 = tile % (W / TILE) * TILE;
        int32_t y0 = tile / (W / TILE) * TILE;
        int32_t sum = 0;

        for (int i = 0; i < TILE * TILE; i++) {
            sum += s->odds[(y0 + i / TILE) * W + x0 + i % TILE] * (i + 1); /* mass and its moment */
        }
        digest_u64(&s->digest, (uint64_t)(int64_t)sum);
    }
}

static int job(const struct axc_job *job, void *state)
{
    struct state *s = state;
    const int8_t *target = NULL;
    int32_t goal = 0;
    int32_t way = 0;

    if (s->jobs == 0) {
        s->x = waypoints[0][0];
        s->y = waypoints[0][1];
    }
    s->x = clamp_i32(s->x, 1, W - 2);
    s->y = clamp_i32(s->y, 1, H - 2);
    target = waypoints[s->waypoint % 4];
    goal = target[1] * W + target[0];
    sense(s, job->number);
    way = plan(s, s->y * W + s->x, goal);
    move(s, goal, way);
    s->jobs++;
    digest_u64(&s->digest, s->jobs);
    digest_u64(&s->digest, (uint64_t)s->x << 32 | (uint32_t)s->y);
    digest_u64(&s->digest, (uint64_t)s->waypoint << 32 | s->replans);
    digest_u64(&s->digest, (uint32_t)way);
    digest_map(s);
    return put_digest(job, s->digest);
}

AXCAN_TASK("path-planner", .job = job, .state_bytes = sizeof(struct state), .state_version = 1,
           .period_us = 20000, .deadline_us = 20000, .criticality = 4, .needs = AXC_SVC_IO,
           .wcet = {{"linux-x86_64", 1200},
                    {"linux-aarch64", 1200},
                    {"axcan-virt", 1600},
                    {"axcan-zcu102", 1600}});
