package puro

import (
	"encoding/binary"
	"time"
)

// PollInterval is how long a reader that waits sleeps between two looks.
const PollInterval = 100 * time.Millisecond

// Wait sleeps for a poll interval, and then looks around. Its error is
// the one that ends the waiting.
func (r *Reader) Wait() error {
	time.Sleep(PollInterval)
	if r.sticky == nil {
		r.sticky = r.lookAround()
	}
	return r.sticky
}

// lookAround asks whether the place where this reader waits is still what it was.
func (r *Reader) lookAround() error {
	s := r.segment
	here, err := r.dir.leadsTo(s.sequence, s.file)
	if err != nil {
		return err
	}
	there, err := r.pathLeads()
	if err != nil {
		return err
	}
	if !here || !there {
		if there {
			if later, err := r.dir.laterThan(s.sequence, r.id); err == nil && later {
				return failf(OutOfRange, "%s was deleted while it was read", segmentName(s.sequence))
			}
		}
		return failf(Removed, "the stream was removed, moved or replaced")
	}
	b, err := s.file.readAt(r.position-8, 8)
	if err != nil {
		return err
	}
	if len(b) == 8 && binary.LittleEndian.Uint32(b[4:]) == r.crc {
		return nil
	}
	return r.takenBack()
}

// pathLeads says whether the stream's path leads to the directory that is held (O-8).
func (r *Reader) pathLeads() (bool, error) {
	f, err := openat(nil, r.dir.path, openDirectories, 0)
	if err != nil {
		return false, nil
	}
	defer f.close()
	a, err := f.stat()
	if err != nil {
		return false, err
	}
	b, err := r.dir.file.stat()
	return err == nil && sameFile(a, b), err
}

// takenBack decides what to do where the block before the position is not what it was:
// its history is gone, or only blocks without records are, or nobody has repaired the
// damage yet.
func (r *Reader) takenBack() error {
	t := r.Token()
	_, active, err := r.dir.scanActive()
	if err != nil {
		return nil // nobody can say so yet: wait
	}
	defer active.close()
	for _, e := range active.state.epochs() {
		if t.Epoch != 0 && e.number > t.Epoch && e.first < t.Offset {
			return failf(Diverged, "the history of %v is gone", t)
		}
	}
	s := r.segment
	b, err := s.file.readAt(r.tookEnd-4, 4)
	if err != nil {
		return err
	}
	if len(b) == 4 && binary.LittleEndian.Uint32(b) == r.tookCRC {
		if active.next >= t.Offset {
			return r.SeekOffset(t.Offset)
		}
		return nil
	}
	mine := &segment{file: s.file, sequence: s.sequence, header: s.header}
	if mine.scan() == nil && mine.next >= t.Offset {
		return failf(Diverged, "others were appended in place of what was read before %v", t)
	}
	return nil
}

// Tail says what a repair would do at the end: Clean, what it would cut, or damage
// . What is not clean may be a writer at work: it counts on a second look.
func Tail(path string, o Options) (Label, error) {
	dir, err := openDirectory(path)
	if err != nil {
		return "", err
	}
	defer dir.close()
	_, s, err := dir.scanActive()
	if err != nil {
		return "", err
	}
	defer s.close()
	label, _, err := s.classify(o.boot(), 0)
	return label, err
}

// Info is what a stream says of itself.
type Info struct {
	StreamID   [16]byte
	Segment    uint32
	End        uint64
	NextOffset uint64
	Epoch      uint32
	State      []Entry
	Label      Label  // the row of the recovery table
	Length     uint64 // of the active segment's file
}

// Look opens a stream and tells what its end is (O-3). It changes nothing.
func Look(path string, o Options) (Info, error) {
	dir, err := openDirectory(path)
	if err != nil {
		return Info{}, err
	}
	defer dir.close()
	v, s, err := dir.scanActive()
	if err != nil {
		return Info{}, err
	}
	defer s.close()
	label, length, err := s.classify(o.boot(), 0)
	if err != nil {
		label = Unreadable
	}
	return Info{v.id, s.sequence, s.end, s.next, s.state.NewestEpoch(), s.state.Entries(), label, length}, nil
}
