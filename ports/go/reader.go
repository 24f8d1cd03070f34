package puro

import (
	"syscall"
	"time"
)

// Reader reads the records of a stream in their order. It holds a shared lock on the
// segment that it is in, and writes nothing.
type Reader struct {
	dir     *directory
	owned   bool // close the directory, too
	id      [16]byte
	boot    [16]byte
	wait    time.Duration
	segment *pinned

	position uint64 // of the next block in the segment
	crc      uint32 // of the block before it
	bodyLen  uint32 // of that block
	atHeader bool   // there is none: the header is before it
	next     uint64 // the next offset at that block
	epoch    uint32 // of the block before it
	ended    bool   // the block before it is a segment end

	from    uint64   // what is read next: records below were delivered, or not asked for
	pending []Record // of the block before the position
	rotten  error    // what is told behind them: the body's damage

	// Where the last block that took offsets ends in this segment, and its crc.
	tookEnd uint64
	tookCRC uint32

	window window
	sticky error // removed, diverged, out of range: told to every later call
}

// pinned is a segment's file under a shared lock.
type pinned struct {
	file     *file
	sequence uint32
	header   Header
}

// OpenReader opens a stream to read it from its beginning.
func OpenReader(path string, o Options) (*Reader, error) {
	dir, err := openDirectory(path)
	if err != nil {
		return nil, err
	}
	v, err := dir.look()
	if err != nil {
		dir.close()
		return nil, err
	}
	r, err := newReader(dir, v.id, o.boot(), o.wait())
	if err != nil {
		dir.close()
		return nil, err
	}
	r.owned = true
	return r, nil
}

func newReader(dir *directory, id, boot [16]byte, wait time.Duration) (*Reader, error) {
	return &Reader{dir: dir, id: id, boot: boot, wait: wait}, nil
}

// Close lets go of the segment and of the directory.
func (r *Reader) Close() {
	r.letGo()
	if r.owned {
		r.dir.close()
	}
}

func (r *Reader) letGo() {
	if r.segment != nil {
		r.segment.file.close()
		r.segment = nil
	}
}

// StreamID is the id of the stream that is read.
func (r *Reader) StreamID() [16]byte { return r.id }

// pin opens a segment and locks it shared, and sees that its name still leads to it
// . The error of a name that is not there is one of isMissing.
func (d *directory) pin(sequence uint32, wait time.Duration) (*pinned, error) {
	deadline := time.Now().Add(wait)
	name := segmentName(sequence)
	for range maxStartOver {
		f, err := openRegular(d.file, name, syscall.O_RDONLY, 0)
		if err != nil {
			return nil, err
		}
		p, err := pinFile(d, f, sequence, deadline)
		if p != nil || err != nil {
			if err != nil {
				f.close()
			}
			return p, err
		}
		f.close() // the name leads to another file by now: start over
	}
	return nil, failf(System, "%s is replaced again and again", name)
}

func pinFile(d *directory, f *file, sequence uint32, deadline time.Time) (*pinned, error) {
	for {
		had, err := f.tryLock(syscall.F_RDLCK)
		if err != nil {
			return nil, err
		}
		if had {
			break
		}
		if !time.Now().Before(deadline) {
			return nil, failf(Busy, "%s is held by a steward", segmentName(sequence))
		}
		time.Sleep(lockPoll)
	}
	if leads, err := d.leadsTo(sequence, f); !leads || err != nil {
		return nil, err
	}
	b, err := f.readAt(0, headerBytes)
	if err != nil {
		return nil, err
	}
	h, err := ParseHeader(b, false)
	if KindOf(err) == Foreign && err != nil || err == nil && h.Sequence != sequence {
		err = failf(Damaged, "%s is not that segment", segmentName(sequence))
	}
	if err != nil {
		return nil, err
	}
	return &pinned{f, sequence, h}, nil
}

// leadsTo says whether a segment's name leads to that file.
func (d *directory) leadsTo(sequence uint32, f *file) (bool, error) {
	mine, err := f.stat()
	if err != nil {
		return false, err
	}
	named, err := statat(d.file, segmentName(sequence))
	if isMissing(err) {
		return false, nil
	}
	return err == nil && sameFile(mine, named), systemError("looking up a segment", err)
}

// enter stands at the beginning of a segment (F-21, E-7).
func (r *Reader) enter(p *pinned) {
	r.letGo()
	r.segment = p
	r.position, r.crc, r.bodyLen, r.atHeader = headerBytes, p.header.CRC, 0, true
	r.next, r.epoch, r.ended = p.header.BaseOffset, p.header.Epoch, false
	r.tookEnd, r.tookCRC = headerBytes, p.header.CRC
	r.pending, r.rotten = nil, nil
	r.window = window{file: p.file}
}

// Token is the place that is read next (E-7).
func (r *Reader) Token() Token {
	return Token{r.id, r.epoch, r.from}
}

// Next gives the next record. ErrEnd says that nothing follows yet; a later call may
// give more.
func (r *Reader) Next() (*Record, error) {
	if r.sticky != nil {
		return nil, r.sticky
	}
	rec, err := r.nextRecord()
	switch k := KindOf(err); {
	case err == nil || err == ErrEnd:
	case k == Removed, k == Diverged, k == OutOfRange:
		r.sticky = err
	}
	return rec, err
}

func (r *Reader) nextRecord() (*Record, error) {
	for {
		if len(r.pending) > 0 {
			rec := r.pending[0]
			r.pending = r.pending[1:]
			r.from = rec.Offset + 1
			return &rec, nil
		}
		if r.rotten != nil {
			return nil, r.rotten
		}
		r.from = max(r.from, r.next) // a gap at the end of the block is passed over
		if err := r.nextBlock(true); err != nil {
			return nil, err
		}
	}
}

// nextBlock goes over one committed block, or into the next segment (R-3, V-8).
// Without deliver it stops, with ErrEnd, before a block that holds from.
func (r *Reader) nextBlock(deliver bool) error {
	if r.ended {
		return r.hop()
	}
	b, err := r.committed()
	if err != nil {
		return err
	}
	if !deliver && b.Next() > r.from {
		return ErrEnd
	}
	if deliver {
		users, _, err := parseBody(&b.Start, b.Body)
		for len(users) > 0 && users[0].Offset < r.from {
			users = users[1:]
		}
		r.pending, r.rotten = users, err
	}
	r.position, r.crc, r.bodyLen, r.atHeader = b.End(), b.CRC, b.BodyLen, false
	r.epoch, r.next, r.ended = b.Epoch, b.Next(), b.Kind == KindEnd
	if b.RecordCount > 0 {
		r.tookEnd, r.tookCRC = b.End(), b.CRC
	}
	return nil
}

// committed gives the block at the position. In the active segment anything else than
// a committed one means nothing yet, in a sealed one damage.
func (r *Reader) committed() (*Block, error) {
	s := r.segment
	look := func() (*Block, error) {
		is, b, err := checkBlock(r.window.at, s.header.CRC, r.position, chain{r.crc, r.next, s.header.Generation})
		if is != Committed {
			b = nil
		}
		return b, err
	}
	if b, err := look(); b != nil || err != nil {
		return b, err
	}
	r.window.forget() // what was read ahead is not what stands there by now
	if b, err := look(); b != nil || err != nil {
		return b, err
	}
	later, err := r.dir.laterThan(s.sequence, r.id)
	if err != nil {
		return nil, err
	}
	if !later {
		return nil, ErrEnd
	}
	r.window.forget() // it may have been sealed between the two looks
	if b, err := look(); b != nil || err != nil {
		return b, err
	}
	return nil, failf(Damaged, "%s is damaged at %d", segmentName(s.sequence), r.position)
}

// hop goes from a segment end into the next segment, hand over hand (V-8, V-9).
func (r *Reader) hop() error {
	s := r.segment
	if s.sequence == 1<<32-1 {
		return ErrEnd
	}
	next, err := r.dir.pin(s.sequence+1, r.wait)
	if isMissing(err) {
		later, err := r.dir.laterThan(s.sequence, r.id)
		if err != nil || !later {
			return orEnd(err)
		}
		if there, err := r.dir.has(segmentName(s.sequence + 1)); err != nil || there {
			return orEnd(err) // it came meanwhile: the next call hops
		}
		mine, err := r.dir.leadsTo(s.sequence, s.file)
		if err != nil {
			return err
		}
		if mine {
			return failf(Damaged, "%s is missing", segmentName(s.sequence+1))
		}
		return failf(OutOfRange, "what follows offset %d was deleted", r.next)
	}
	if err != nil {
		return err
	}
	if next.header.StreamID != r.id {
		next.file.close()
		return failf(Damaged, "%s is of another stream", segmentName(next.sequence))
	}
	if next.header.BaseOffset != r.next { // F-49
		next.file.close()
		return failf(Damaged, "%s does not begin at offset %d", segmentName(next.sequence), r.next)
	}
	mine, err := r.dir.leadsTo(s.sequence, s.file)
	if err == nil && !mine {
		err = failf(OutOfRange, "%s was deleted while it was read", segmentName(s.sequence))
	}
	if err != nil {
		next.file.close()
		return err
	}
	r.enter(next)
	return nil
}

func orEnd(err error) error {
	if err == nil {
		return ErrEnd
	}
	return err
}
