package puro

import (
	"errors"
	"syscall"
	"time"
)

// Options are what a program may give to whoever opens a stream. The zero value
// asks the system.
type Options struct {
	Clock    func() uint64 // ms since 1970
	Boot     *[16]byte     // the boot id; sixteen zeros are unknown (M-7)
	LockWait time.Duration // how long a lock is waited for; 0: 60 s
	StreamID *[16]byte     // of a stream that is made; nil: random
	NoZeros  bool          // put no zeros ahead of durable appends (chapter 12)
}

func (o Options) clock() func() uint64 {
	if o.Clock != nil {
		return o.Clock
	}
	return func() uint64 { return uint64(time.Now().UnixMilli()) }
}

func (o Options) boot() [16]byte {
	if o.Boot != nil {
		return *o.Boot
	}
	return systemBoot()
}

func (o Options) wait() time.Duration {
	if o.LockWait != 0 {
		return o.LockWait
	}
	return 60 * time.Second
}

// Producer appends to a stream. What it remembers of the end it never believes
// before it looked. It is not for several goroutines at once.
type Producer struct {
	dir   *directory
	id    [16]byte
	boot  [16]byte
	clock func() uint64
	wait  time.Duration

	lock    *lockFile
	segment *segment   // the active one, as far as is known
	left    []*segment // left with a sync that failed, and not yet mended
	repairs []Repair

	mustSeeAll  bool // all that is behind the end must be looked at first (Z-6)
	namesSynced bool // the directory was synced since this segment was come to (V-7)
	mustRaise   bool // something was lost, and the epoch is to be raised for it
	raised      bool // the epoch was raised since the opening (E-2)
	zeros       bool // put zeros ahead of durable appends (Z-1)
	putZeros    bool // did so in this segment (Z-8)
}

// OpenProducer opens a stream to append to it.
func OpenProducer(path string, o Options) (*Producer, error) {
	dir, err := openDirectory(path)
	if err != nil {
		return nil, err
	}
	p := newProducer(dir, o)
	if err := p.openAnew(); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func newProducer(dir *directory, o Options) *Producer {
	return &Producer{
		dir: dir, boot: o.boot(), clock: o.clock(), wait: o.wait(), zeros: !o.NoZeros,
		lock: &lockFile{dir: dir.file, name: "writer.lock"},
	}
}

// Close lets go of all that is open. Zeros ahead are cut off where nobody is in the
// way (Z-8).
func (p *Producer) Close() {
	if p.putZeros && p.segment != nil {
		p.cutZeros()
	}
	for _, s := range p.left {
		s.close()
	}
	if p.segment != nil {
		p.segment.close()
	}
	p.lock.drop()
	p.dir.close()
}

// Repairs tells what was repaired on the way.
func (p *Producer) Repairs() []Repair { return p.repairs }

// openAnew finds the active segment, and reads it (O-3).
func (p *Producer) openAnew() error {
	for range maxStartOver {
		v, err := p.dir.look()
		if err != nil {
			return err
		}
		if p.segment != nil && v.id != p.id {
			return failf(Removed, "another stream stands in its place")
		}
		s, err := p.dir.openSegment(v.active, true)
		if isMissing(err) {
			continue
		}
		if err == nil {
			err = s.scan()
		}
		if err != nil {
			return err
		}
		p.id = v.id
		p.goTo(s)
		return nil
	}
	return failf(System, "the segments change too fast")
}

// goTo leaves the segment for another one that somebody else made. One with a sync
// that failed is mended at once, or kept until it is.
func (p *Producer) goTo(s *segment) {
	if old := p.segment; old != nil {
		if old.syncFailed && (!p.lock.held || p.mend(old) != nil) {
			p.left = append(p.left, old)
		} else {
			old.close()
		}
	}
	p.segment = s
	p.mustSeeAll, p.namesSynced, p.putZeros = true, false, false
}

// withLock does something under writer.lock.
func (p *Producer) withLock(do func() error) error {
	var like *syscall.Stat_t
	if p.segment != nil && p.lock.file == nil {
		if st, err := p.segment.file.stat(); err == nil {
			like = &st
		}
	}
	if err := p.lock.acquire(p.wait, like); err != nil {
		return err
	}
	defer p.lock.release()
	return do()
}

// scanAgain reads the segment from its header, for the memory may be wrong.
// What was known to be on disk counts on only where it is not.
func (p *Producer) scanAgain() error {
	s := p.segment
	end, eight, durable, last := s.end, s.eight(), s.durable, s.last
	right, err := s.file.readAt(end-8, 8)
	if err != nil {
		return err
	}
	s.known = max(s.known, durable)
	b, err := s.file.readAt(0, headerBytes)
	if err != nil {
		return err
	}
	h, err := ParseHeader(b, true)
	if err == nil && h != s.header || KindOf(err) == Foreign && err != nil {
		err = failf(Damaged, "the header of %s is another by now", s.name())
	}
	if err != nil {
		return err
	}
	if err := s.scan(); err != nil {
		return err
	}
	if last != 0 && string(right) == string(eight[:]) && s.end >= end {
		s.durable = max(s.durable, durable)
	}
	p.mustSeeAll = true
	return nil
}

// catchUp makes what is remembered true: behind it, the end is the committed end of
// the active segment, and clean.
func (p *Producer) catchUp() error {
	for range 4 * maxStartOver {
		done, err := p.catchUpOnce()
		if done && err == nil && p.mustRaise {
			err = p.raise() // under the same lock
		}
		if err == errInTheWay {
			continue
		}
		if done || err != nil {
			return err
		}
	}
	return failf(System, "the stream changes too fast")
}

func (p *Producer) catchUpOnce() (done bool, err error) {
	s := p.segment
	named, err := statat(p.dir.file, s.name())
	if err != nil && !isMissing(err) {
		return false, systemError("looking up "+s.name(), err)
	}
	mine, staterr := s.file.stat()
	if staterr != nil {
		return false, staterr
	}
	lost := err != nil || !sameFile(named, mine)
	b, err := s.file.readAt(s.end-8, 8+unit)
	if err != nil {
		return false, err
	}
	eight := s.eight()
	if len(b) < 8 || string(b[:8]) != string(eight[:]) { // 1
		return false, p.scanAgain()
	}
	if !lost && mine.Nlink == 1 && s.last != KindEnd && s.last != 0 && !p.mustSeeAll &&
		max(s.durable, s.known) <= s.end && allZero(b[8:]) {
		return true, nil // 5
	}
	if err := s.stepOver(); err != nil { // 2, 3, 4 and 6; A-22
		return false, err
	}
	if s.last == KindEnd && s.sequence < 1<<32-1 {
		there, err := p.dir.has(segmentName(s.sequence + 1))
		if err != nil {
			return false, err
		}
		if there {
			return false, p.stepInto()
		}
	}
	if s.last == KindEnd {
		later, err := p.dir.laterThan(s.sequence, p.id)
		if err != nil {
			return false, err
		}
		if later {
			return false, p.openAnew()
		}
	}
	if lost {
		return false, failf(Removed, "%s has lost its name", s.name())
	}
	if mine.Nlink > 1 {
		return false, p.oneName(mine)
	}
	zeros, err := s.zerosFrom(s.end) // Z-6
	if err != nil {
		return false, err
	}
	if !zeros || max(s.durable, s.known) > s.end || s.last == 0 {
		return false, p.repairActive()
	}
	p.mustSeeAll = false
	if s.last == KindEnd {
		return false, p.finish()
	}
	return true, nil
}

// stepInto goes from a segment end into the next segment (A-3, F-49).
func (p *Producer) stepInto() error {
	s := p.segment
	h, what, err := p.dir.headerOf(s.sequence + 1)
	if err != nil {
		return err
	}
	if what == saysOther || what == saysStream && h.StreamID != p.id { // a stray
		later, err := p.dir.laterThan(s.sequence, p.id)
		if err != nil {
			return err
		}
		if later {
			return p.openAnew()
		}
		return failf(Refused, "a stray has the name of the next segment") // V-5
	}
	next, err := p.dir.openSegment(s.sequence+1, true)
	if isMissing(err) {
		return nil // removed since: look again
	}
	if err != nil {
		return err
	}
	if next.header.StreamID != p.id || next.header.BaseOffset != s.next {
		err = failf(Damaged, "%s does not begin where the one before it ends", next.name())
	} else {
		err = next.scan()
	}
	if err != nil {
		next.close()
		return err
	}
	p.goTo(next)
	return nil
}

// oneName refuses a segment with more than one name, but for its own temporary one,
// which is removed.
func (p *Producer) oneName(mine syscall.Stat_t) error {
	name := p.segment.name() + ".new"
	st, err := statat(p.dir.file, name)
	if err != nil || !sameFile(st, mine) {
		return failf(Refused, "%s has other names", p.segment.name())
	}
	if err := unlinkat(p.dir.file, name); err != nil && !isMissing(err) {
		return systemError("removing "+name, err)
	}
	return nil
}

// repairActive repairs, unless this is not the active segment any more.
func (p *Producer) repairActive() error {
	later, err := p.dir.laterThan(p.segment.sequence, p.id)
	if err != nil {
		return err
	}
	if later {
		return p.openAnew()
	}
	return p.repair()
}

// errInTheWay says that something stands where a block is to go (Z-7).
var errInTheWay = errors.New("something stands behind the end")

// makeReady does what comes before any block of this writer, behind the look: the
// names are synced (V-7), and the epoch is that of this boot (E-2).
func (p *Producer) makeReady() error {
	if !p.namesSynced {
		if err := p.dir.file.sync(); err != nil {
			return err
		}
		p.namesSynced = true
	}
	current := p.segment.state.ofBoot(p.boot)
	if p.boot == [16]byte{} {
		current = p.raised
	}
	if current {
		return nil
	}
	return p.raise()
}

// raise begins an epoch, and syncs the block that does it (E-3).
func (p *Producer) raise() error {
	s := p.segment
	number := s.state.NewestEpoch()
	if number == 1<<32-1 {
		return failf(Refused, "there is no epoch behind %d", number)
	}
	now := p.clock()
	body, err := appendEntry(nil, newEpoch(number+1, s.next, p.boot, now))
	if err != nil {
		return err
	}
	block := Block{Start: Start{Kind: KindRecords, Flags: 1, Timestamp: now, Epoch: number + 1}, Body: body}
	if err := p.write(&block); err != nil {
		return err
	}
	p.raised, p.mustRaise = true, false
	return p.sync(s)
}

// write writes a block at the end, low, and commits it. It sets what is
// the same in all blocks. Where it fails before the signal, what it wrote is cut off.
func (p *Producer) write(b *Block) error {
	s := p.segment
	b.Position, b.PrevCRC, b.FirstOffset, b.DurableTo = s.end, s.crc, s.next, s.durable
	b.Signal = low
	bytes, err := b.padded(s.header.CRC)
	if err != nil {
		return err
	}
	there, err := s.file.readAt(s.end, len(bytes)+unit)
	if err != nil {
		return err
	}
	if !allZero(there) { // Z-7
		p.mustSeeAll = true
		return errInTheWay
	}
	if err := p.reserve(s, len(bytes)); err != nil {
		return err
	}
	giveUp := func(err error) error {
		_ = s.file.truncate(s.end) // A-12, Z-5
		return err
	}
	if err := s.file.writeAt(s.end, bytes); err != nil {
		return giveUp(err)
	}
	if err := s.file.writeAt(s.end, []byte{high}); err != nil {
		is, rerr := s.file.readAt(s.end, 1)
		switch {
		case rerr != nil || len(is) == 0:
			return &Error{Unknown, "nobody can say whether it was appended", err}
		case is[0] != high:
			return giveUp(err)
		}
	}
	b.Signal = high
	return s.apply(b)
}

// reserve asks for room. Where that fails the writer goes on, unless room is lacking
// and there is none for the block either.
func (p *Producer) reserve(s *segment, n int) error {
	err := s.file.reserve(s.end, uint64(n))
	if errors.Is(err, syscall.ENOSPC) {
		if free, ferr := s.file.freeBytes(); ferr == nil && free < uint64(n) {
			return systemError("reserving room", err)
		}
	}
	return nil
}

// sync puts all up to the remembered end on disk, or mends where that fails
// . It may be called without the lock.
func (p *Producer) sync(s *segment) error {
	for len(p.left) > 0 {
		if err := p.mendLocked(p.left[0]); err != nil {
			return err
		}
		p.left[0].close()
		p.left = p.left[1:]
	}
	if !s.syncFailed {
		end := s.end
		if s.durable >= end {
			return nil
		}
		if err := s.file.datasync(); err == nil {
			s.durable = max(s.durable, end)
			return nil
		}
		s.syncFailed = true
	}
	return p.mendLocked(s)
}

func (p *Producer) mendLocked(s *segment) error {
	if p.lock.held {
		return p.mend(s)
	}
	if err := p.withLock(func() error { return p.mend(s) }); err != nil {
		return &Error{NotDurable, "appended, and not durable", err}
	}
	return nil
}

// mend writes all blocks that are not known to be on disk once more, with the bytes
// that the file gives now, and syncs. It is done under writer.lock.
func (p *Producer) mend(s *segment) error {
	now := &segment{file: s.file, sequence: s.sequence, header: s.header}
	failed := func(err error) error { return &Error{NotDurable, "a sync failed, and mending did, too", err} }
	if err := now.scan(); err != nil {
		return failed(err)
	}
	for at := min(s.durable, now.end); at < now.end; {
		b, err := s.file.readAt(at, int(min(1<<20, now.end-at)))
		if err != nil {
			return failed(err)
		}
		if err := s.file.writeAt(at, b); err != nil {
			return failed(err)
		}
		at += uint64(len(b))
	}
	if err := s.file.datasync(); err != nil {
		return failed(err)
	}
	s.syncFailed = false
	s.durable = max(s.durable, min(s.end, now.end))
	return nil
}
