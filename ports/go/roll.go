package puro

import (
	"crypto/rand"
	"syscall"
)

// fits says whether a block of length n goes into the active segment (V-1).
func (s *segment) fits(n uint64) bool {
	return s.end == s.opening || s.end+n-s.opening <= s.state.segmentBytes()
}

// spareBytes are for the file system's own needs (V-2).
const spareBytes = 4096

// roll seals the active segment, and makes and names the next (chapter 7). n is the
// length of the block that is to follow.
func (p *Producer) roll(n uint64) error {
	s := p.segment
	if s.sequence == 1<<32-1 {
		return failf(Refused, "behind %s there is no segment", s.name()) // F-7
	}
	if taken, err := p.dir.has(segmentName(s.sequence + 1)); err != nil {
		return err
	} else if taken {
		return failf(Refused, "something has the name of the next segment") // V-10
	}
	bodies, err := s.state.checkpointBodies()
	if err != nil {
		return err
	}
	need := blockLength(0) + headerBytes + n + spareBytes
	for _, b := range bodies {
		need += blockLength(uint64(len(b)))
	}
	if free, err := s.file.freeBytes(); err == nil && free < need {
		return failf(System, "no space for the next segment") // V-2
	}
	end := Block{Start: Start{Kind: KindEnd, Timestamp: s.maxTime, Epoch: s.state.NewestEpoch()}}
	if err := p.write(&end); err != nil {
		return err
	}
	return p.finish()
}

// finish does what is left of a rollover behind the segment end (V-3, V-6).
func (p *Producer) finish() error {
	s := p.segment
	if s.sequence == 1<<32-1 {
		return failf(Refused, "behind %s there is no segment", s.name())
	}
	if err := s.file.truncate(s.end); err != nil { // V-3
		return err
	}
	if err := p.seal(s); err != nil {
		return err
	}
	h := Header{StreamID: p.id, BaseOffset: s.next, Created: p.clock(),
		Sequence: s.sequence + 1, Epoch: s.state.NewestEpoch()}
	like, err := s.file.stat()
	if err != nil {
		return err
	}
	next, err := p.makeSegment(h, s.state, s.maxTime, &like)
	if next != nil {
		s.close()
		p.segment = next
		p.mustSeeAll, p.putZeros = false, false
		p.namesSynced = err == nil
	}
	return err
}

// seal syncs a segment that ends with its segment end: that must be on disk before
// there is a successor (V-3).
func (p *Producer) seal(s *segment) error {
	if s.syncFailed {
		return p.mend(s)
	}
	if err := s.file.datasync(); err != nil {
		s.syncFailed = true
		return p.mend(s)
	}
	s.durable = s.end
	return nil
}

// makeSegment makes a segment under its temporary name and names it (V-4, V-5). It
// gives the segment with an error where it has its name, and that may not be on disk.
func (p *Producer) makeSegment(h Header, state *State, maxTime uint64, like *syscall.Stat_t) (*segment, error) {
	name := segmentName(h.Sequence)
	temporary := name + ".new"
	bytes, err := segmentBytes(&h, state, maxTime)
	if err != nil {
		return nil, err
	}
	if err := unlinkat(p.dir.file, temporary); err != nil && !isMissing(err) { // F-45
		return nil, systemError("removing "+temporary, err)
	}
	f, err := openat(p.dir.file, temporary, syscall.O_RDWR|syscall.O_CREAT|syscall.O_EXCL|openForData, 0o666)
	if err != nil {
		return nil, systemError("making "+temporary, err)
	}
	if like != nil {
		f.alike(*like) // O-9
	}
	err = f.writeAt(0, bytes)
	if err == nil {
		err = f.datasync()
	}
	if err == nil {
		var taken bool
		if taken, err = p.dir.has(name); taken && err == nil {
			err = failf(Refused, "something has the name %s", name) // V-5
		}
	}
	if err == nil {
		var leads bool
		if leads, err = p.lock.leads(); err == nil && !leads {
			err = failf(Busy, "writer.lock was taken away")
		}
	}
	if err == nil {
		err = systemError("naming "+name, renameat(p.dir.file, temporary, name))
	}
	if err != nil {
		f.close()
		_ = unlinkat(p.dir.file, temporary)
		return nil, err
	}
	s := &segment{file: f, sequence: h.Sequence, header: h}
	if err := s.scan(); err != nil {
		f.close()
		return nil, err
	}
	return s, p.dir.file.sync()
}

// segmentBytes are header and opening checkpoints, all signals high (V-4). Where a pad
// was needed (F-43) the checkpoints end elsewhere than durable_to says (F-23): then all
// is made once more, with the bodies as they were padded.
func segmentBytes(h *Header, state *State, maxTime uint64) ([]byte, error) {
	bodies, err := state.checkpointBodies()
	if err != nil {
		return nil, err
	}
	header := h.Bytes()
	end := uint64(headerBytes)
	for _, b := range bodies {
		end += blockLength(uint64(len(b)))
	}
	for range maxStartOver { // twice, unless the first pad does not help a second time
		out, crc := append([]byte{}, header...), h.CRC
		for i, body := range bodies {
			b := Block{Position: uint64(len(out)), Body: body, Start: Start{Signal: high, Kind: KindCheckpoint,
				PrevCRC: crc, FirstOffset: h.BaseOffset, Timestamp: maxTime, DurableTo: end, Epoch: h.Epoch}}
			if len(body) > 0 {
				b.Flags = 1
			}
			bytes, err := b.padded(h.CRC)
			if err != nil {
				return nil, err
			}
			bodies[i] = b.Body
			out, crc = append(out, bytes...), b.CRC
		}
		if uint64(len(out)) == end {
			return out, nil
		}
		end = uint64(len(out))
	}
	return nil, failf(Refused, "the state holds what looks like the start of a block")
}

// Create makes a stream, and says whether it did: somebody may have been faster (O-1).
func Create(path string, settings map[string]string, o Options) (made bool, err error) {
	state := newState()
	for name, value := range settings {
		if err := checkSetting(name, value); err != nil {
			return false, err
		}
		state.entries[[2]string{kindSetting, name}] = []byte(value)
	}
	if err := mkdirat(nil, path, 0o777); err != nil && err != syscall.EEXIST {
		return false, systemError("making "+path, err)
	}
	dir, err := openDirectory(path)
	if err != nil {
		return false, err
	}
	p := newProducer(dir, o)
	defer p.Close()
	if there, err := p.beginCreate(); there || err != nil {
		return false, err
	}
	err = p.withLock(func() error {
		if there, err := p.beginCreate(); there || err != nil {
			return err
		}
		parent, err := openat(dir.file, "..", openDirectories, 0)
		if err != nil {
			return systemError("opening the parent directory", err)
		}
		defer parent.close()
		if err := parent.sync(); err != nil {
			return err
		}
		if o.StreamID != nil {
			p.id = *o.StreamID
		} else {
			rand.Read(p.id[:])
		}
		now := p.clock()
		first := newEpoch(1, 0, p.boot, now)
		if err := state.fold(controlRecord{[]byte(first.Kind), []byte(first.Key), first.Value}, 0); err != nil {
			return err
		}
		p.segment, err = p.makeSegment(Header{StreamID: p.id, Created: now, Epoch: 1}, state, 0, nil)
		made = p.segment != nil && err == nil
		return err
	})
	return made, err
}

// beginCreate says whether there is a stream already, and refuses a directory that
// holds anything but what belongs to one (O-2, F-10).
func (p *Producer) beginCreate() (there bool, err error) {
	names, err := p.dir.names()
	if err != nil {
		return false, err
	}
	var other string
	for _, name := range names {
		if _, ok := sequenceOf(name); ok {
			_, err := p.dir.look()
			return true, err
		}
		if !belongs(name) {
			other = name
		}
	}
	if other != "" {
		return false, failf(Refused, "the directory holds other things, such as %q", other)
	}
	return false, nil
}

// belongs says whether a name other than a segment's has a place in a stream (F-10).
func belongs(name string) bool {
	switch name {
	case "writer.lock", "steward.lock", "consumers", "lost", "lost+found":
		return true
	}
	for _, suffix := range []string{".new", ".compact"} {
		if len(name) > len(suffix) && name[len(name)-len(suffix):] == suffix {
			_, ok := sequenceOf(name[:len(name)-len(suffix)])
			return ok
		}
	}
	return false
}
