/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/task_elf.h"

#include <fcntl.h>
#include <gelf.h>
#include <string.h>
#include <unistd.h>

_Static_assert(AXC_NOTE_BYTES == AXI_META_NOTE_BYTES, "AXCAN_TASK reserves the note's size");
_Static_assert(sizeof(struct axc_task) == 216, "the descriptor's layout");

static Elf_Scn *find_section(Elf *elf, const char *name, GElf_Shdr *ret_header)
{
    size_t names = 0;
    Elf_Scn *section = NULL;

    if (elf_getshdrstrndx(elf, &names) != 0) {
        return NULL;
    }
    while ((section = elf_nextscn(elf, section)) != NULL) {
        const char *text = NULL;

        if (gelf_getshdr(section, ret_header) == NULL) {
            continue;
        }
        text = elf_strptr(elf, names, ret_header->sh_name);
        if (text != NULL && strcmp(text, name) == 0) {
            return section;
        }
    }
    return NULL;
}

static int read_descriptor(Elf *elf, struct axc_task *ret_task)
{
    GElf_Shdr header;
    Elf_Scn *section = find_section(elf, ".axcan.task", &header);
    Elf_Data *data = section == NULL ? NULL : elf_getdata(section, NULL);

    if (data == NULL || data->d_size != sizeof(*ret_task) || data->d_buf == NULL) {
        return -AXC_EMETA_NONE;
    }
    memcpy(ret_task, data->d_buf, sizeof(*ret_task));
    return ret_task->magic == AXC_TASK_MAGIC ? 0 : -AXC_EMETA_NONE;
}

static void to_meta(const struct axc_task *task, struct axi_task_meta *ret_meta)
{
    *ret_meta = (struct axi_task_meta){
        .abi = task->abi,
        .state_bytes = task->state_bytes,
        .state_version = task->state_version,
        .period_us = task->period_us,
        .deadline_us = task->deadline_us,
        .criticality = task->criticality,
        .needs = task->needs,
        .jobs = task->jobs,
        .stack_bytes = task->stack_bytes,
        .overrun_policy = task->overrun_policy,
        .fault_policy = task->fault_policy,
        .restart_limit = task->restart_limit,
        .checkpoint_every = task->checkpoint_every,
    };
    memcpy(ret_meta->name, task->name, sizeof(ret_meta->name));
    memcpy(ret_meta->wcet, task->wcet, sizeof(ret_meta->wcet));
    axi_meta_set_defaults(ret_meta);
}

int axi_task_elf_describe(const char *path, struct axi_task_meta *ret_meta)
{
    struct axi_task_meta meta;
    struct axc_task task;
    Elf *elf = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int error = 0;

    if (fd < 0) {
        return -AXC_EIO;
    }
    (void)elf_version(EV_CURRENT);
    elf = elf_begin(fd, ELF_C_READ, NULL);
    error = elf == NULL ? -AXC_EIO : read_descriptor(elf, &task);
    (void)elf_end(elf);
    (void)close(fd);
    if (error != 0) {
        return error;
    }
    to_meta(&task, &meta);
    error = axi_meta_check(&meta);
    if (error == 0) {
        *ret_meta = meta;
    }
    return error;
}

int axi_task_elf_fill_note(uint8_t *elf, size_t bytes, const struct axi_task_meta *meta)
{
    uint8_t note[AXI_META_NOTE_BYTES];
    size_t note_bytes = 0;
    GElf_Shdr header;
    Elf_Scn *section = NULL;
    Elf *view = NULL;
    int error = axi_meta_encode_note(meta, note, sizeof(note), &note_bytes);

    if (error != 0) {
        return error;
    }
    (void)elf_version(EV_CURRENT);
    view = elf_memory((char *)elf, bytes);
    section = view == NULL ? NULL : find_section(view, ".note.axcan", &header);
    if (section == NULL || header.sh_size != note_bytes || header.sh_offset > bytes ||
        note_bytes > bytes - header.sh_offset) {
        error = -AXC_EMETA_NONE;
    } else {
        memcpy(elf + header.sh_offset, note, note_bytes);
    }
    (void)elf_end(view);
    return error;
}
