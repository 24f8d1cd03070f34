package puro

import (
	"encoding/binary"
	"syscall"
)

// segment is one segment's file and what is remembered of its end (O-3).
type segment struct {
	file     *file
	sequence uint32
	header   Header

	end     uint64 // the committed end, as far as it was read
	crc     uint32 // of the block before it, of the header behind that alone
	bodyLen uint32 // of that block: with crc the eight bytes before the end
	next    uint64 // the next offset
	last    byte   // kind of the last block, 0 where there is none

	opening  uint64 // where the opening checkpoints end
	opened   uint64 // timestamp of the first of them
	maxTime  uint64 // the highest timestamp of records blocks, carried on (F-22)
	durable  uint64 // up to here the bytes are known to be on disk
	raisedTo uint64 // behind the block that raised the newest epoch; 0 where that is on disk (E-4)
	state    *State

	known      uint64 // durable of a memory that was wrong: for the recovery table only
	syncFailed bool   // a sync failed, and the segment was not mended since
}

func (s *segment) name() string { return segmentName(s.sequence) }

func (s *segment) close() { s.file.close() }

// openSegment opens a segment's file and checks its header (F-12).
func (d *directory) openSegment(sequence uint32, write bool) (*segment, error) {
	flags := syscall.O_RDONLY
	if write {
		flags = syscall.O_RDWR
	}
	f, err := openRegular(d.file, segmentName(sequence), flags, 0)
	if err != nil {
		return nil, err
	}
	s := &segment{file: f, sequence: sequence}
	b, err := f.readAt(0, headerBytes)
	if err == nil {
		s.header, err = ParseHeader(b, write)
	}
	if KindOf(err) == Foreign && err != nil {
		err = failf(Damaged, "%s is no segment", s.name())
	}
	if err == nil && s.header.Sequence != sequence {
		err = failf(Damaged, "%s says that it is number %d", s.name(), s.header.Sequence)
	}
	if err != nil {
		f.close()
		return nil, err
	}
	s.begin()
	return s, nil
}

// begin forgets all but the header.
func (s *segment) begin() {
	s.end, s.crc, s.bodyLen, s.next, s.last = headerBytes, s.header.CRC, 0, s.header.BaseOffset, 0
	s.opening, s.opened, s.maxTime, s.durable, s.raisedTo = headerBytes, 0, 0, 0, 0
	s.state = newState()
}

// scan reads the segment from its header on (O-3).
func (s *segment) scan() error {
	s.begin()
	return s.stepOver()
}

// stepOver reads on from the remembered end over every committed block, and folds
// its entries.
func (s *segment) stepOver() error {
	w := window{file: s.file}
	for s.last != KindEnd {
		is, b, err := checkBlock(w.at, s.header.CRC, s.end, s.chain())
		if err != nil {
			return err
		}
		if is != Committed {
			return nil
		}
		if err := s.apply(b); err != nil {
			return err
		}
	}
	return nil
}

func (s *segment) chain() chain { return chain{s.crc, s.next, s.header.Generation} }

// apply takes in a committed block at the end. Only where the flag is set is its
// body decoded (F-24).
func (s *segment) apply(b *Block) error {
	opening := b.Kind == KindCheckpoint && s.opening == s.end
	if b.Flags&1 != 0 {
		controls, err := parseControls(b.Body)
		if err != nil {
			return err
		}
		for _, c := range controls {
			before := s.state.NewestEpoch()
			if err := s.state.fold(c, b.FirstOffset); err != nil {
				return err
			}
			if b.Kind == KindRecords && s.state.NewestEpoch() != before {
				s.raisedTo = b.End()
			}
		}
	}
	if opening {
		if s.opening == headerBytes {
			s.opened = b.Timestamp
		}
		s.opening = b.End()
	}
	if b.Kind == KindCheckpoint {
		s.raisedTo = 0 // it stands in, or behind it stands, a checkpoint (E-4)
	}
	s.maxTime = max(s.maxTime, b.Timestamp)
	s.durable = max(s.durable, b.DurableTo)
	s.end, s.crc, s.bodyLen, s.next, s.last = b.End(), b.CRC, b.BodyLen, b.Next(), b.Kind
	return nil
}

// epochOnDisk says whether the block that raised the newest epoch is known to be
// on disk (E-4).
func (s *segment) epochOnDisk() bool { return s.raisedTo <= s.durable }

// eight are the eight bytes before the remembered end.
func (s *segment) eight() [8]byte {
	var e [8]byte
	if s.last == 0 {
		binary.LittleEndian.PutUint32(e[:], s.header.Epoch)
	} else {
		binary.LittleEndian.PutUint32(e[:], s.bodyLen)
	}
	binary.LittleEndian.PutUint32(e[4:], s.crc)
	return e
}

// began is the time at which the active segment began: the lower of its header's
// created and the timestamp of its opening checkpoint (C-5).
func (s *segment) began() uint64 { return min(s.header.Created, s.opened) }

// zerosFrom says whether nothing but zeros stands from a place on, up to the end of
// the file.
func (s *segment) zerosFrom(position uint64) (bool, error) {
	for {
		b, err := s.file.readAt(position, 256<<10)
		if err != nil {
			return false, err
		}
		if !allZero(b) {
			return false, nil
		}
		if len(b) < 256<<10 {
			return true, nil
		}
		position += uint64(len(b))
	}
}

// window reads a file in pieces that are larger than most blocks.
type window struct {
	file  *file
	start uint64
	bytes []byte
}

const windowBytes = 64 << 10

func (w *window) at(position uint64, n int) ([]byte, error) {
	if position < w.start || position+uint64(n) > w.start+uint64(len(w.bytes)) {
		b, err := w.file.readAt(position, max(n, windowBytes))
		if err != nil {
			return nil, err
		}
		w.start, w.bytes = position, b
	}
	from := min(position-w.start, uint64(len(w.bytes)))
	return w.bytes[from:min(from+uint64(n), uint64(len(w.bytes)))], nil
}

func (w *window) forget() { w.bytes = nil }
