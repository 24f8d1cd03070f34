package puro

// zerosAhead puts zeros behind the end, so that the next durable appends do not make
// the file longer (Z-1). It is a favour: where it fails, nothing is told.
func (p *Producer) zerosAhead() {
	s := p.segment
	st, err := s.file.stat()
	if err != nil || uint64(st.Size) != s.end {
		return // they begin at the length as it is now, and only when none are left
	}
	limit := max(s.opening+s.state.segmentBytes(), s.end) // behind it V-1 lets no block stand
	n := min(uint64(zerosAheadBytes), limit-s.end)
	if n == 0 {
		return
	}
	p.putZeros = true
	_ = s.file.writeAt(s.end, make([]byte, n))
}

// cutZeros cuts off the zeros that this writer put, where the lock is free, the end
// is as remembered, and nothing else is behind it (Z-8).
func (p *Producer) cutZeros() {
	s := p.segment
	was := p.wait
	p.wait = 0
	defer func() { p.wait = was }()
	_ = p.withLock(func() error {
		b, err := s.file.readAt(s.end-8, 8)
		eight := s.eight()
		if err != nil || string(b) != string(eight[:]) || s.syncFailed {
			return nil
		}
		named, err := statat(p.dir.file, s.name())
		mine, err2 := s.file.stat()
		if err != nil || err2 != nil || !sameFile(named, mine) || named.Nlink != 1 {
			return nil
		}
		if zeros, err := s.zerosFrom(s.end); err == nil && zeros && uint64(mine.Size) > s.end {
			return s.file.truncate(s.end)
		}
		return nil
	})
}
