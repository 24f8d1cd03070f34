package puro

// AppendVarint adds the shortest form of n (F-2).
func AppendVarint(b []byte, n uint64) []byte {
	for n >= 0x80 {
		b = append(b, byte(n)|0x80)
		n >>= 7
	}
	return append(b, byte(n))
}

// Varint reads a number from the beginning of b, and says how many bytes it takes.
// A form that is not the shortest, exceeds 64 bits, or is cut is damage (F-2).
func Varint(b []byte) (value uint64, length int, err error) {
	for i := 0; i < len(b) && i < 10; i++ {
		c := b[i]
		if i == 9 && c > 1 {
			return 0, 0, failf(Damaged, "a varint exceeds 64 bits")
		}
		value |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			if c == 0 && i > 0 {
				return 0, 0, failf(Damaged, "a varint is longer than need be")
			}
			return value, i + 1, nil
		}
	}
	return 0, 0, failf(Damaged, "a varint does not end")
}
