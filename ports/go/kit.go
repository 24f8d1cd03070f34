package puro

// What the kit's driver asks of the bytes alone (kit.md, "Bytes").

// CheckBlock says what stands at the beginning of b, the bytes from a block's position
// to the file's end, and what it is to continue (F-24).
func CheckBlock(b []byte, headerCRC uint32, position uint64, prevCRC uint32, next uint64, generation uint32) (Is, *Block) {
	read := func(at uint64, n int) ([]byte, error) {
		from := min(at-position, uint64(len(b)))
		return b[from:min(from+uint64(n), uint64(len(b)))], nil
	}
	is, block, _ := checkBlock(read, headerCRC, position, chain{prevCRC, next, generation})
	return is, block
}

// ParseBody decodes a block's body, and gives the records of users.
func ParseBody(kind byte, body []byte, control bool, count uint32, first uint64) ([]Record, error) {
	s := Start{Kind: kind, RecordCount: count, FirstOffset: first}
	if control {
		s.Flags = 1
	}
	users, _, err := parseBody(&s, body)
	return users, err
}

// Renew takes the clock and the patience of another request; the boot stays.
func (p *Producer) Renew(o Options) { p.clock, p.wait = o.clock(), o.wait() }

// Renew takes the clock and the patience of another request; the boot stays.
func (c *Consumer) Renew(o Options) {
	c.producer.Renew(o)
	c.Reader.wait = o.wait()
}
