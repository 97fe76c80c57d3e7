/* SPDX-License-Identifier: Apache-2.0 */
/* Errors. Functions that can fail return int: 0 or a negative -AXC_E*. The numbers may travel on
 * the wire and stand in stored records: append only, never renumber. Text: axi_error_name/_text. */
#ifndef AXI_BASE_ERROR_H
#define AXI_BASE_ERROR_H

#define AXC_MUST_USE __attribute__((warn_unused_result))

/* X(name, number, text). Ranges: 1-49 general, 50-99 ELF, 100-129 checkpoint, 130-159 wire,
 * 160-199 task metadata, 200-249 node and admission, 250-299 cluster and migration, 300-349 images,
 * 350-379 model, 380-399 boot configuration, 400-419 PTP, 450-499 partitions. */
#define AXC_ERROR_LIST(X)                                                                          \
    X(INVALID, 1, "invalid argument")                                                              \
    X(NOMEM, 2, "out of memory")                                                                   \
    X(NOENT, 3, "no such object")                                                                  \
    X(EXIST, 4, "exists already")                                                                  \
    X(BUSY, 5, "busy with another operation")                                                      \
    X(TIMEOUT, 6, "timed out")                                                                     \
    X(IO, 7, "input/output error")                                                                 \
    X(PERM, 8, "not permitted")                                                                    \
    X(FULL, 9, "no room left")                                                                     \
    X(STATE, 10, "not possible in this state")                                                     \
    X(UNAVAILABLE, 11, "peer or store cannot be reached")                                          \
    X(CONFLICT, 12, "changed by someone else")                                                     \
    X(OVERFLOW, 13, "number out of range")                                                         \
    X(CANCELLED, 14, "cancelled")                                                                  \
    X(INTERNAL, 15, "internal error")                                                              \
    X(COMPACTED, 16, "the store has forgotten what happened since then")                           \
    X(ELF_TRUNCATED, 50, "ELF: file ends inside a structure")                                      \
    X(ELF_MAGIC, 51, "ELF: bad magic")                                                             \
    X(ELF_CLASS, 52, "ELF: not a 64-bit little-endian file")                                       \
    X(ELF_VERSION, 53, "ELF: unknown version")                                                     \
    X(ELF_TYPE, 54, "ELF: not a position-independent executable (ET_DYN)")                         \
    X(ELF_MACHINE, 55, "ELF: wrong instruction set")                                               \
    X(ELF_HEADER_SIZE, 56, "ELF: header entry size is wrong")                                      \
    X(ELF_PHDR_COUNT, 57, "ELF: no program headers or too many")                                   \
    X(ELF_PHDR_RANGE, 58, "ELF: program headers outside the file")                                 \
    X(ELF_INTERP, 59, "ELF: asks for a dynamic linker (PT_INTERP)")                                \
    X(ELF_TLS, 60, "ELF: uses thread-local storage (PT_TLS)")                                      \
    X(ELF_SEGMENT_RANGE, 61, "ELF: segment outside the file")                                      \
    X(ELF_SEGMENT_SIZE, 62, "ELF: segment larger in the file than in memory")                      \
    X(ELF_SEGMENT_ALIGN, 63, "ELF: segment alignment is wrong")                                    \
    X(ELF_SEGMENT_WX, 64, "ELF: segment is writable and executable")                               \
    X(ELF_SEGMENT_OVERLAP, 65, "ELF: segments overlap or share a page with other permissions")     \
    X(ELF_SEGMENT_ORDER, 66, "ELF: segments are not in ascending order")                           \
    X(ELF_NO_LOAD, 67, "ELF: nothing to load")                                                     \
    X(ELF_TOO_LARGE, 68, "ELF: image larger than the node allows")                                 \
    X(ELF_ENTRY, 69, "ELF: entry point outside executable text")                                   \
    X(ELF_DYNAMIC_RANGE, 70, "ELF: dynamic section outside the image")                             \
    X(ELF_NEEDED, 71, "ELF: needs a shared library (DT_NEEDED)")                                   \
    X(ELF_JMPREL, 72, "ELF: has PLT relocations (DT_JMPREL)")                                      \
    X(ELF_INIT, 73, "ELF: has constructors or destructors")                                        \
    X(ELF_TEXTREL, 74, "ELF: relocates its text (DT_TEXTREL)")                                     \
    X(ELF_RELA_SIZE, 75, "ELF: relocation table size is wrong")                                    \
    X(ELF_RELA_RANGE, 76, "ELF: relocation table outside the image")                               \
    X(ELF_RELOC_TYPE, 77, "ELF: relocation type other than RELATIVE")                              \
    X(ELF_RELOC_TARGET, 78, "ELF: relocation target outside writable data")                        \
    X(ELF_RELOC_ADDEND, 79, "ELF: relocation points outside the image")                            \
    X(ELF_REL_FORMAT, 80, "ELF: relocations without addends or packed (DT_REL, DT_RELR)")          \
    X(ELF_BASE, 81, "ELF: load address is not page aligned")                                       \
    X(ELF_EXEC_STACK, 82, "ELF: asks for an executable stack")                                     \
    X(CKPT_TRUNCATED, 100, "checkpoint: shorter than its header says")                             \
    X(CKPT_MAGIC, 101, "checkpoint: bad magic")                                                    \
    X(CKPT_VERSION, 102, "checkpoint: unknown version")                                            \
    X(CKPT_SIZE, 103, "checkpoint: state size is wrong")                                           \
    X(CKPT_CRC, 104, "checkpoint: checksum is wrong")                                              \
    X(CKPT_HEADER_CRC, 105, "checkpoint: header checksum is wrong")                                \
    X(CKPT_TASK, 106, "checkpoint: belongs to another task")                                       \
    X(CKPT_EPOCH, 107, "checkpoint: from a superseded epoch")                                      \
    X(CKPT_SCHEMA, 108, "checkpoint: state schema differs")                                        \
    X(CKPT_STATE_VERSION, 109, "checkpoint: state version differs")                                \
    X(CKPT_JOB, 110, "checkpoint: job number is not the expected one")                             \
    X(CKPT_NONE, 111, "checkpoint: none there")                                                    \
    X(CKPT_TORN, 112, "checkpoint: overwritten while being read")                                  \
    X(WIRE_MAGIC, 130, "frame: bad magic")                                                         \
    X(WIRE_VERSION, 131, "frame: unknown protocol version")                                        \
    X(WIRE_LENGTH, 132, "frame: length beyond the limit")                                          \
    X(WIRE_CRC, 133, "frame: checksum is wrong")                                                   \
    X(WIRE_TYPE, 134, "frame: unknown message")                                                    \
    X(WIRE_BODY, 135, "frame: message cannot be decoded")                                          \
    X(WIRE_STATE, 136, "frame: message not allowed now")                                           \
    X(WIRE_AUTH, 137, "peer: token refused")                                                       \
    X(WIRE_FLAGS, 138, "frame: unknown flags")                                                     \
    X(WIRE_TAIL, 139, "frame: raw data not allowed here or beyond the limit")                      \
    X(WIRE_CHUNK, 140, "transfer: chunk out of order or beside its object")                        \
    X(WIRE_OBJECT, 141, "transfer: object larger than the limit")                                  \
    X(WIRE_OBJECT_CRC, 142, "transfer: checksum of the whole object is wrong")                     \
    X(META_NONE, 160, "task metadata: note .note.axcan is missing")                                \
    X(META_SIZE, 161, "task metadata: wrong size")                                                 \
    X(META_ABI, 162, "task metadata: ABI number not supported")                                    \
    X(META_NAME, 163, "task metadata: bad task name")                                              \
    X(META_PARAM, 164, "task metadata: period or deadline is out of range")                        \
    X(META_WCET, 165, "task metadata: bad WCET entry")                                             \
    X(META_MAGIC, 166, "task metadata: bad magic")                                                 \
    X(META_VERSION, 167, "task metadata: unknown version of the note")                             \
    X(META_CRC, 168, "task metadata: checksum is wrong")                                           \
    X(META_STATE_BYTES, 169, "task metadata: state size is 0 or above 64 KiB")                     \
    X(META_CRITICALITY, 170, "task metadata: criticality above 15")                                \
    X(META_STACK, 171, "task metadata: stack size is out of range")                                \
    X(META_POLICY, 172, "task metadata: unknown overrun or fault policy")                          \
    X(SCHEMA_NONE, 180, "state schema: no usable struct state")                                    \
    X(SCHEMA_POINTER, 181, "state schema: a field is a pointer")                                   \
    X(SCHEMA_LONG, 182, "state schema: a field is a long")                                         \
    X(SCHEMA_BITFIELD, 183, "state schema: a field is a bit-field")                                \
    X(SCHEMA_PADDING, 184, "state schema: implicit padding")                                       \
    X(SCHEMA_TYPE, 185, "state schema: a type without portable form")                              \
    X(SCHEMA_ISA, 186, "state schema: the instruction sets disagree")                              \
    X(SCHEMA_SIZE, 187, "state schema: size differs from state_bytes or out of range")             \
    X(ADMIT_NO_WCET, 200, "no WCET known for this platform")                                       \
    X(ADMIT_LOAD, 201, "not schedulable: processor demand above the declared capacity")            \
    X(ADMIT_DEADLINE, 202, "not schedulable: compensated deadline shorter than the WCET")          \
    X(ADMIT_MEMORY, 203, "not enough memory for image and state")                                  \
    X(ADMIT_SERVICE, 204, "a needed service is not offered here")                                  \
    X(ADMIT_SLOTS, 205, "no free instance slot")                                                   \
    X(ADMIT_PLATFORM, 206, "the image has no entry for this platform")                             \
    X(NODE_NO_RUNNER, 207, "no runner process ready")                                              \
    X(NODE_LEASE, 208, "the node's lease is gone")                                                 \
    X(TASK_FAULT, 209, "the task faulted")                                                         \
    X(TASK_OVERRUN, 210, "the task overran its budget")                                            \
    X(TASK_FAILED, 211, "the task has failed")                                                     \
    X(EPOCH_STALE, 250, "epoch is superseded")                                                     \
    X(DUPLICATE_NODE, 251, "another node uses this identity")                                      \
    X(NOT_OWNER, 252, "this node does not own the task")                                           \
    X(IN_MIGRATION, 253, "the task is being migrated already")                                     \
    X(NO_CANDIDATE, 254, "no node admits the task")                                                \
    X(ABORTED, 255, "the migration was aborted")                                                   \
    X(LOST, 256, "the task is lost: no checkpoint exists anywhere")                                \
    X(NOT_LEADER, 257, "this master does not lead; ask the leader")                                \
    X(PLACE_LABEL, 258, "a label that the service demands is missing")                             \
    X(PLACE_LATENCY, 259, "the node's latency is above what the service allows")                   \
    X(PLACE_DIVERSITY, 260, "too like another replica of the service")                             \
    X(PLACE_FAILURE, 261, "the service would miss its target failure probability")                 \
    X(PLACE_SPARE, 262, "the loss of one node could not be made up for")                           \
    X(PLACE_SHARED, 263, "another replica of the service is on this node")                         \
    X(PLACE_NODE, 264, "the service is not allowed on this node")                                  \
    X(MANIFEST, 265, "the manifest is malformed or contradicts itself")                            \
    X(REVISION, 266, "the object was changed since this revision was read")                        \
    X(IMAGE_DIGEST, 300, "image: content does not match its digest")                               \
    X(IMAGE_LAYOUT, 301, "image: not an OCI image layout")                                         \
    X(IMAGE_MANIFEST, 302, "image: malformed index, manifest or config")                           \
    X(IMAGE_MEDIA_TYPE, 303, "image: unknown media type")                                          \
    X(IMAGE_INDEX, 304, "image: malformed index.json")                                             \
    X(IMAGE_CONFIG, 305, "image: malformed config")                                                \
    X(IMAGE_TOO_LARGE, 306, "image: a file is larger than the limit")                              \
    X(IMAGE_BLOB, 307, "image: a blob is missing")                                                 \
    X(IMAGE_SIZE, 308, "image: a blob has not the size its descriptor says")                       \
    X(IMAGE_COUNT, 309, "image: no entry, too many entries, or one platform twice")                \
    X(IMAGE_PLATFORM, 310, "image: unknown platform")                                              \
    X(IMAGE_ELF, 311, "image: the ELF file is not the one its config describes")                   \
    X(IMAGE_OS_LAYOUT, 312, "image: no bootable image of Axcan OS, or a damaged one")              \
    X(IMAGE_LAYER, 313, "image: a layer is no tar archive, or a damaged one")                      \
    X(MODEL_PROBABILITY, 350, "model: a probability is negative, above one or not a number")       \
    X(MODEL_SUM, 351, "model: the probabilities sum to more than one")                             \
    X(MODEL_ORDER, 352, "model: values are zero, unsorted or repeated")                            \
    X(MODEL_EMPTY, 353, "model: nothing to analyse: no tasks, values or samples")                  \
    X(MODEL_PERIOD, 354, "model: a period is zero")                                                \
    X(MODEL_DEADLINE, 355, "model: a deadline is zero or longer than the period")                  \
    X(MODEL_GRID, 356, "model: needs more memory than allowed; use coarser times")                 \
    X(MODEL_LOAD, 357, "model: mean utilisation is one or more, or no steady state was reached")   \
    X(MODEL_CYCLE, 358, "model: the graph has a cycle")                                            \
    X(MODEL_UNREACHABLE, 359, "model: the target cannot be reached with the candidates given")     \
    X(MODEL_TAIL, 360, "model: the measurements do not support an extrapolated tail")              \
    X(PREDICT_TRUNCATED, 370, "predictor file: shorter than its header says")                      \
    X(PREDICT_MAGIC, 371, "predictor file: bad magic")                                             \
    X(PREDICT_VERSION, 372, "predictor file: unknown version")                                     \
    X(PREDICT_SIZE, 373, "predictor file: length is wrong")                                        \
    X(PREDICT_SHAPE, 374, "predictor file: for another network or other inputs")                   \
    X(PREDICT_CRC, 375, "predictor file: checksum is wrong")                                       \
    X(PREDICT_VALUE, 376, "predictor file: a number is out of range")                              \
    X(TRACE_FORMAT, 377, "trace of telemetry: malformed")                                          \
    X(PTP_TRUNCATED, 400, "PTP: shorter than its type or its own length says")                     \
    X(PTP_VERSION, 401, "PTP: not version 2")                                                      \
    X(PTP_TYPE, 402, "PTP: a message this clock does not use")                                     \
    X(PTP_TIMESTAMP, 403, "PTP: a timestamp out of range")                                         \
    X(PTP_IDENTITY, 404, "PTP: a port identity that no clock has")                                 \
    X(BOOT_TRUNCATED, 380, "boot config: shorter than its header says")                            \
    X(BOOT_MAGIC, 381, "boot config: bad magic")                                                   \
    X(BOOT_VERSION, 382, "boot config: unknown version")                                           \
    X(BOOT_SIZE, 383, "boot config: length is wrong")                                              \
    X(BOOT_CRC, 384, "boot config: checksum is wrong")                                             \
    X(BOOT_RECORD, 385, "boot config: a record is cut off or has the wrong size")                  \
    X(BOOT_TYPE, 386, "boot config: unknown record")                                               \
    X(BOOT_VALUE, 387, "boot config: a value is out of range")                                     \
    X(BOOT_DUPLICATE, 388, "boot config: a record or name stands twice")                           \
    X(BOOT_COUNT, 389, "boot config: too many tasks or channels")                                  \
    X(BOOT_MODE, 390, "boot config: settings that exclude or miss each other")                     \
    X(HV_UNSUPPORTED, 450, "partition: this hypervisor cannot run it here")                        \
    X(HV_FAILED, 451, "partition: the hypervisor refused")                                         \
    X(HV_VERIFY, 452, "partition: the hypervisor's view differs from ours")                        \
    X(PLATFORM, 453, "platform file: malformed or contradicts itself")                             \
    X(BUNDLE, 454, "bundle: config.json is malformed or asks for something impossible")            \
    X(BUNDLE_PATH, 455, "bundle: a path leads outside the root file system or to no regular file") \
    X(BRI, 456, "binary runtime information: malformed")                                           \
    X(BOARD, 457, "partition: the image is for another board")                                     \
    X(RESOURCE_CPU, 458, "partition: a CPU is not available")                                      \
    X(RESOURCE_MEMORY, 459, "partition: not enough memory of this kind")                           \
    X(RESOURCE_IRQ, 460, "partition: an interrupt is not available")                               \
    X(RESOURCE_DEVICE, 461, "partition: a device or remote core is not available")                 \
    X(RESOURCE_OVERLAP, 462, "partition: memory regions overlap")                                  \
    X(JOURNAL, 463, "resource journal: damaged")                                                   \
    X(HOOK, 464, "container: a hook failed")                                                       \
    X(NO_CONTAINER, 465, "container does not exist")                                               \
    X(NOT_RUNNING, 466, "container not running")                                                   \
    X(MONITOR, 467, "container: its monitor is gone")                                              \
    X(CELL, 468, "cell configuration: malformed or impossible")

enum axc_error {
    AXC_OK = 0,
#define AXC_ERROR_ENUM(name, number, text) AXC_E##name = number,
    AXC_ERROR_LIST(AXC_ERROR_ENUM)
#undef AXC_ERROR_ENUM
};

/* Stable short name ("ELF_TLS") and one-line text; accept the number with either sign. Static
 * storage. Unknown numbers give "UNKNOWN". Any context. */
const char *axi_error_name(int error);
const char *axi_error_text(int error);

#endif
