/* SPDX-License-Identifier: Apache-2.0 */
/* From the loader to C: the arm64 Image header with Axcan's own behind it, then EL2 to EL1, first
 * page table, MMU on, jump to the high half. Entered at the image's first byte, MMU and interrupts
 * off, x0 = device tree or 0 (Linux Documentation/arm64/booting.rst). */

#define KERNEL_BASE 0xffffff8000000000

    .section .head, "ax"
    .global axi_head
axi_head:
    b       entry                       /* code0 */
    .long   0                           /* code1 */
    .quad   0x200000                    /* text_offset */
    .quad   axi_image_bytes             /* image_size: with bss */
    .quad   0x2                         /* flags: little endian, 4 KiB pages */
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .long   0
    .long   0x534f5841                  /* "AXOS": core/boot_config.h */
    .long   1
    .quad   0                           /* config_offset, by the packer */
    .long   0                           /* config_bytes, by the packer */
    .long   0
                                        /* 8 bytes board name: .head.board */

    .section .text.boot, "ax"
entry:
    mov     x19, x0                     /* device tree */
    mrs     x1, mpidr_el1
    and     x1, x1, #0xffffff
    cbnz    x1, park                    /* one core */
    mrs     x20, CurrentEL
    lsr     x20, x20, #2                /* boot EL */
    cmp     x20, #2
    b.eq    from_el2
    b.hi    park                        /* EL3: firmware is missing */
    b       at_el1
park:
    wfe
    b       park

from_el2:
    mov     x0, #0x80000000             /* HCR_EL2.RW: EL1 is AArch64 */
    msr     hcr_el2, x0
    mov     x0, #3                      /* EL1 may use counter and timer */
    msr     cnthctl_el2, x0
    msr     cntvoff_el2, xzr
    mov     x0, #0x33ff                 /* no FP traps */
    msr     cptr_el2, x0
    msr     hstr_el2, xzr
    mrs     x0, pmcr_el0                /* no debug traps, all counters are EL1's */
    ubfx    x0, x0, #11, #5
    msr     mdcr_el2, x0
    msr     vttbr_el2, xzr
    mrs     x0, midr_el1
    msr     vpidr_el2, x0
    mrs     x0, mpidr_el1
    msr     vmpidr_el2, x0
    mrs     x0, id_aa64pfr0_el1
    ubfx    x0, x0, #24, #4             /* GICv3 system registers? */
    cbz     x0, 1f
    mrs     x0, s3_4_c12_c9_5           /* ICC_SRE_EL2: enable them for EL1 too */
    orr     x0, x0, #1
    orr     x0, x0, #8
    msr     s3_4_c12_c9_5, x0
    isb
    msr     s3_4_c12_c11_0, xzr         /* ICH_HCR_EL2 */
1:  ldr     x0, =0x30d00800             /* SCTLR_EL1: reserved ones, MMU off */
    msr     sctlr_el1, x0
    mov     x0, #0x3c5                  /* EL1h, all masked */
    msr     spsr_el2, x0
    adr     x0, at_el1
    msr     elr_el2, x0
    eret

at_el1:
    msr     daifset, #15
    msr     spsel, #1
    ldr     x0, =0x30d00800
    msr     sctlr_el1, x0
    isb
    adrp    x0, axi_bss_first           /* 64-aligned at both ends */
    add     x0, x0, :lo12:axi_bss_first
    adrp    x1, axi_image_last
    mov     x2, x0
1:  stp     xzr, xzr, [x2], #16
    cmp     x2, x1
    b.lo    1b
    dsb     sy
    mov     x2, x0                      /* what a loader's cache held of it is void */
2:  dc      ivac, x2
    add     x2, x2, #64
    cmp     x2, x1
    b.lo    2b
    dsb     sy

    /* One block of 1 GiB, where the image is. The same table serves both halves: identity in
     * TTBR0, high half in TTBR1. The final tables follow in mmu.c. */
    adrp    x0, axi_boot_table
    adr     x1, axi_head
    lsr     x2, x1, #30
    lsl     x3, x2, #30
    mov     x4, #0x701                  /* AF, inner shareable, attribute 0, block */
    orr     x3, x3, x4
    str     x3, [x0, x2, lsl #3]
    dsb     sy
    ldr     x1, =0x04ff                 /* MAIR: 0 normal write-back, 1 device nGnRE */
    msr     mair_el1, x1
    ldr     x1, =0x10b5193519           /* TCR: both halves 39 bits, 4 KiB, 16-bit ASIDs */
    mrs     x2, id_aa64mmfr0_el1
    bfi     x1, x2, #32, #3             /* IPS = what the processor has */
    msr     tcr_el1, x1
    msr     ttbr0_el1, x0
    msr     ttbr1_el1, x0
    tlbi    vmalle1
    ic      iallu
    dsb     sy
    isb
    ldr     x1, =0x30d0181d             /* SCTLR: M, C, SA, SA0, I; EL0 gets no cache operations */
    msr     sctlr_el1, x1
    isb
    mov     x1, #0x300000               /* CPACR: FP for all; only tasks use it */
    msr     cpacr_el1, x1
    ldr     x1, =axi_vectors
    msr     vbar_el1, x1
    ldr     x1, =axi_stack_top
    mov     sp, x1
    mov     x0, x19
    mov     x1, x20
    mov     x29, xzr
    ldr     x30, =axi_kernel_main
    br      x30

/* void axi_mmu_use_tables(uint64_t ttbr1, uint64_t ttbr0): goes over to other tables while no
 * translation of the high half is in use: the switch itself runs in the identity map. */
    .section .text.mmu_switch, "ax"
    .global axi_mmu_use_tables
axi_mmu_use_tables:
    adr     x2, 1f
    ldr     x3, =KERNEL_BASE
    sub     x2, x2, x3
    br      x2
1:  msr     ttbr1_el1, x0
    isb
    tlbi    vmalle1
    dsb     nsh
    isb
    adr     x2, 2f
    add     x2, x2, x3
    br      x2
2:  msr     ttbr0_el1, x1
    isb
    tlbi    vmalle1
    dsb     nsh
    isb
    ret

    .section .bss.boot_table, "aw", %nobits
    .balign 4096
    .global axi_boot_table
axi_boot_table:
    .skip   4096
