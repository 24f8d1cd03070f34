package puro

import "syscall"

const sysFstatat = syscall.SYS_FSTATAT
