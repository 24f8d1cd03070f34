package puro

import "slices"

// scanActive reads the active segment as it is now, for its state and next offset.
func (d *directory) scanActive() (*view, *segment, error) {
	for range maxStartOver {
		v, err := d.look()
		if err != nil {
			return nil, nil, err
		}
		s, err := d.openSegment(v.active, false)
		if isMissing(err) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if err := s.scan(); err != nil {
			s.close()
			return nil, nil, err
		}
		return v, s, nil
	}
	return nil, nil, failf(System, "the segments change too fast")
}

// SeekBeginning stands at the lowest offset that is there.
func (r *Reader) SeekBeginning() error {
	return r.seek(func(all []uint32) (*pinned, error) {
		for _, n := range all {
			p, err := r.pinOwn(n)
			if p != nil || err != nil {
				return p, err
			}
		}
		return nil, failf(NotAStream, "there is no segment")
	}, func(p *pinned) { r.from = p.header.BaseOffset })
}

// SeekEnd stands at the next offset.
func (r *Reader) SeekEnd() error {
	_, s, err := r.dir.scanActive()
	if err != nil {
		return err
	}
	defer s.close()
	return r.SeekOffset(s.next)
}

// SeekToken stands where a token says, if its history is still that of the stream
// (E-7, E-8).
func (r *Reader) SeekToken(t Token) error {
	if t.StreamID != r.id {
		return failf(Refused, "the token is of another stream")
	}
	_, s, err := r.dir.scanActive()
	if err != nil {
		return err
	}
	defer s.close()
	if s.state.diverged(t, s.next) {
		return failf(Diverged, "the history of %v is gone", t)
	}
	return r.SeekOffset(t.Offset)
}

// SeekOffset stands at an offset: in the segment with the highest base offset at or
// below it.
func (r *Reader) SeekOffset(offset uint64) error {
	_, s, err := r.dir.scanActive()
	if err != nil {
		return err
	}
	next := s.next
	s.close()
	if offset > next {
		return failf(OutOfRange, "offset %d is beyond %d", offset, next)
	}
	return r.seek(func(all []uint32) (*pinned, error) {
		for _, n := range slices.Backward(all) {
			p, err := r.pinOwn(n)
			if err != nil {
				return nil, err
			}
			if p != nil && p.header.BaseOffset <= offset {
				return p, nil
			}
			if p != nil {
				p.file.close()
			}
		}
		return nil, failf(OutOfRange, "offset %d is not there any more", offset)
	}, func(*pinned) { r.from = offset })
}

// pinOwn pins a segment. It gives nothing for a stray (F-9).
func (r *Reader) pinOwn(n uint32) (*pinned, error) {
	h, what, err := r.dir.headerOf(n)
	if err == nil && (what == saysOther || what == saysStream && h.StreamID != r.id) {
		return nil, nil
	}
	if err == nil && what == saysGone {
		return nil, errGone
	}
	if err != nil {
		return nil, err
	}
	return r.dir.pin(n, r.wait)
}

var errGone = failf(OutOfRange, "a segment is gone")

// seek finds a segment, and in it the block that holds the place. Where the segment is
// gone by then it lists anew.
func (r *Reader) seek(find func([]uint32) (*pinned, error), place func(*pinned)) error {
	r.sticky = nil
	for range maxStartOver {
		all, err := r.dir.segments()
		if err != nil {
			return err
		}
		p, err := find(all)
		if err == errGone || isMissing(err) {
			continue
		}
		if err != nil {
			return err
		}
		r.enter(p)
		place(p)
		for err == nil {
			err = r.nextBlock(false)
			if r.ended {
				break // the hop is that of the next call
			}
		}
		if err == nil || err == ErrEnd || KindOf(err) == Damaged {
			return nil // damage is told by whoever gets there
		}
		return err
	}
	return failf(System, "the segments change too fast")
}

// SeekTime stands at the first records block at which the running maximum is at least
// t (F-22, R-10). Timestamps that are beyond the clock are not believed, unless t is,
// too.
func (r *Reader) SeekTime(t, now uint64) error {
	believed := func(stamp uint64) bool { return t > now || stamp <= now }
	err := r.seek(func(all []uint32) (*pinned, error) {
		var lowest *pinned
		for _, n := range slices.Backward(all) {
			p, err := r.pinOwn(n)
			if err != nil {
				return nil, err
			}
			if p == nil {
				continue
			}
			if lowest != nil {
				lowest.file.close()
			}
			lowest = p
			w := window{file: p.file}
			is, b, err := checkBlock(w.at, p.header.CRC, headerBytes, chain{p.header.CRC, p.header.BaseOffset, p.header.Generation})
			if err == nil && is == Committed && b.Timestamp < t && believed(b.Timestamp) {
				break
			}
		}
		if lowest == nil {
			return nil, errGone
		}
		return lowest, nil
	}, func(p *pinned) { r.from = p.header.BaseOffset })
	if err != nil {
		return err
	}
	return r.walkToTime(t, believed)
}

// walkToTime goes on, from the beginning of a segment, to the block of a time.
func (r *Reader) walkToTime(t uint64, believed func(uint64) bool) error {
	var doubted *Token // the first records block that counts as the next one that is believed
	running := uint64(0)
	at := r.Token()
	for {
		if r.ended {
			if err := r.hop(); err == ErrEnd {
				break
			} else if err != nil {
				return err
			}
			continue
		}
		b, err := r.committed()
		if err == ErrEnd {
			break
		}
		if err != nil {
			return err
		}
		here := Token{r.id, r.epoch, b.FirstOffset}
		if b.Kind == KindRecords {
			if !believed(b.Timestamp) {
				if doubted == nil {
					doubted = &here
				}
			} else if running = max(running, b.Timestamp); running >= t {
				at = here
				if doubted != nil && b.Timestamp >= t {
					at = *doubted
				}
				return r.SeekOffset(at.Offset)
			} else {
				doubted = nil
			}
		} else if believed(b.Timestamp) {
			running = max(running, b.Timestamp)
		}
		if err := r.nextBlock(true); err != nil {
			return err
		}
		r.pending, r.rotten = nil, nil
	}
	if doubted != nil { // where none follows, it counts as it stands
		return r.SeekOffset(doubted.Offset)
	}
	return r.SeekOffset(r.next)
}
