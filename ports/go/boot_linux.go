package puro

import (
	"encoding/hex"
	"os"
	"strings"
)

// systemBoot is the boot id: its hexadecimal digits in their order, two to a byte
// (M-9); sixteen zeros where it is unknown (M-7).
func systemBoot() [16]byte {
	var id [16]byte
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return id
	}
	b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(string(text)), "-", ""))
	if err == nil && len(b) == 16 {
		copy(id[:], b)
	}
	return id
}
