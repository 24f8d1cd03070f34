//! Which calls stop the program: a seccomp filter, so that all others cost nothing.

use libc::{BPF_ABS, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W};
use libc::{SECCOMP_RET_ALLOW, SECCOMP_RET_TRACE, sock_filter};

use super::syscalls::{Foreign, WATCHED};

/// `AUDIT_ARCH_X86_64` of `linux/audit.h`.
const ARCH: u32 = 0xc000_003e;
/// Calls of the x32 interface have this bit.
const X32: u32 = 0x4000_0000;
/// Offsets in `struct seccomp_data`.
const NUMBER_AT: u32 = 0;
const ARCH_AT: u32 = 4;
const ARGS_AT: u32 = 16;

/// The filter: watched calls stop, and so do those of another interface, which nobody could read.
pub fn filter() -> Vec<sock_filter> {
    let foreign = ret(SECCOMP_RET_TRACE | Foreign::MARK);
    let mut program = vec![
        load(ARCH_AT),
        jump(BPF_JEQ, ARCH, 1, 0),
        foreign,
        load(NUMBER_AT),
        jump(BPF_JGE, X32, 0, 1),
        foreign,
    ];
    for call in WATCHED {
        let number = call.number as u32;
        match call.only_if {
            None => program.extend([jump(BPF_JEQ, number, 0, 1), ret(SECCOMP_RET_TRACE)]),
            // An argument decides: what changes nothing goes on at full speed.
            Some((argument, bits)) => program.extend([
                jump(BPF_JEQ, number, 0, 4),
                load(ARGS_AT + 8 * argument),
                jump(BPF_JSET, bits, 0, 1),
                ret(SECCOMP_RET_TRACE),
                ret(SECCOMP_RET_ALLOW),
            ]),
        }
    }
    program.push(ret(SECCOMP_RET_ALLOW));
    program
}

fn load(at: u32) -> sock_filter {
    instruction(BPF_LD | BPF_W | BPF_ABS, at, 0, 0)
}

fn jump(test: u32, value: u32, if_true: u8, if_false: u8) -> sock_filter {
    instruction(BPF_JMP | test | BPF_K, value, if_true, if_false)
}

fn ret(action: u32) -> sock_filter {
    instruction(BPF_RET | BPF_K, action, 0, 0)
}

fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: code as u16, jt, jf, k }
}
