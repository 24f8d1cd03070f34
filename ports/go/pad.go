package puro

import "math/rand/v2"

// Shifts of a body that are tried where a start stands in its block (F-43): some
// that can be foretold, and some that nobody can.
const (
	foretold = 8
	unknown  = 16
)

// padded gives the bytes of a block in which no start stands but its own. Where one
// does, the body is shifted by a pad (F-46); where no shift helps, it is refused.
func (b *Block) padded(headerCRC uint32) ([]byte, error) {
	bytes := b.Bytes(headerCRC)
	if !startWithin(bytes, headerCRC, b.Position) {
		return bytes, nil
	}
	body, flags := b.Body, b.Flags
	for try := range foretold + unknown {
		zeros := 8 * try
		if try >= foretold {
			zeros = rand.N(1 << 16)
		}
		shifted, err := appendRecord(nil, &Record{Topic: []byte(kindPad), Value: make([]byte, zeros)}, true)
		if err != nil {
			return nil, err
		}
		if len(shifted)+len(body) > MaxBodyBytes {
			continue
		}
		b.Body, b.Flags = append(shifted, body...), flags|1
		bytes := b.Bytes(headerCRC)
		if !startWithin(bytes, headerCRC, b.Position) {
			return bytes, nil
		}
	}
	b.Body, b.Flags = body, flags
	return nil, failf(Refused, "the block holds what looks like the start of another")
}
