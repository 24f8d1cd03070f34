package puro

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Token is a place in a history: the next offset to read, and the epoch of the
// block before it (E-7).
type Token struct {
	StreamID [16]byte
	Epoch    uint32
	Offset   uint64
}

func (t Token) String() string { // E-9
	return fmt.Sprintf("%x:%d:%d", t.StreamID, t.Epoch, t.Offset)
}

// ParseToken reads the text of a token. Upper-case digits and leading zeros are
// accepted (E-9).
func ParseToken(text string) (Token, error) {
	var t Token
	bad := failf(Refused, "no token: %q", text)
	parts := strings.Split(text, ":")
	if len(parts) != 3 || len(parts[0]) != 32 {
		return t, bad
	}
	id, err := hex.DecodeString(parts[0])
	if err != nil {
		return t, bad
	}
	copy(t.StreamID[:], id)
	for _, p := range parts[1:] {
		if p == "" || strings.Trim(p, "0123456789") != "" { // no sign
			return t, bad
		}
	}
	epoch, err := strconv.ParseUint(parts[1], 10, 32)
	if err != nil {
		return t, bad
	}
	offset, err := strconv.ParseUint(parts[2], 10, 64)
	if err != nil {
		return t, bad
	}
	t.Epoch, t.Offset = uint32(epoch), offset
	return t, nil
}
