package puro

import (
	"bytes"
	"fmt"
	"syscall"
)

// Label is a row of the recovery table (protocol.md, chapter 5).
type Label string

// The rows of the recovery table.
const (
	Unreadable Label = "unreadable"
	LabelBroke Label = "damaged"
	Clean      Label = "clean"
	Unseen     Label = "unseen"
	Lost       Label = "lost"
)

// Repair says what a repair did.
type Repair struct {
	Label    Label
	Segment  uint32
	Position uint64
	Length   uint64 // how much was cut
	Saved    string // where it was saved, if it was
}

// classify finds the row of the recovery table for a segment that was scanned from
// its header, and the length of its file. known is what the caller knows to
// be on disk.
func (s *segment) classify(boot [16]byte, known uint64) (Label, uint64, error) {
	st, err := s.file.stat()
	if err != nil {
		return Unreadable, 0, err
	}
	p, length := s.end, uint64(st.Size)
	known = max(known, s.durable)
	thisBoot := s.state.ofBoot(boot)
	read, check := (&window{file: s.file}).at, (&window{file: s.file}).at

	extent := uint64(unit)
	first, err := read(p, startBytes)
	if err != nil {
		return Unreadable, length, err
	}
	if start, stands := ParseStart(first, s.header.CRC, p); stands {
		extent = start.Length() // what stands within is that block's body
	}
	low0 := len(first) > 0 && first[0] == low
	zeros, behind, seen := true, false, false
	checked := p + extent // blocks do not overlap: no byte is checked twice
	for at := p; at < length; at += unit {
		b, err := read(at, startBytes+unit) // the start, and all of the unit
		if err != nil {
			return Unreadable, length, err
		}
		if zeros && !allZero(b[:min(len(b), unit)]) {
			zeros = false
		}
		if at < p+extent {
			continue
		}
		start, stands := ParseStart(b, s.header.CRC, at)
		if !stands {
			continue
		}
		behind = true
		known = max(known, start.DurableTo)
		if at >= checked {
			checked = at + start.Length()
			is, block, err := checkBlock(check, s.header.CRC, at, chain{})
			if err != nil {
				return Unreadable, length, err
			}
			if is != Nothing && is != Invalid && block.Signal == high {
				seen = true
			}
		}
	}
	switch {
	case s.opening == headerBytes: // the first block is no committed checkpoint
		return LabelBroke, length, nil
	case known > p, seen && thisBoot:
		return LabelBroke, length, nil
	case length <= p || zeros:
		return Clean, length, nil
	case low0 && !behind && thisBoot:
		return Unseen, length, nil
	}
	return Lost, length, nil
}

// repair brings the active segment back to a clean end, under writer.lock and
// behind A-5's first step. Where something was lost, the epoch is to be raised.
func (p *Producer) repair() error {
	s := p.segment
	if err := p.scanAgain(); err != nil {
		return err
	}
	label, length, err := s.classify(p.boot, s.known)
	if err != nil {
		return err
	}
	done := Repair{Label: label, Segment: s.sequence, Position: s.end, Length: length - min(s.end, length)}
	switch label {
	case LabelBroke:
		return failf(Damaged, "%s is damaged behind %d", s.name(), s.end)
	case Clean:
		p.mustSeeAll = false
		return nil
	case Lost:
		if done.Saved, err = p.save(s, length); err != nil {
			return err
		}
	}
	if err := p.cut(s); err != nil {
		return err
	}
	p.repairs = append(p.repairs, done)
	p.mustSeeAll = false
	if label == Lost && s.last != KindEnd {
		p.mustRaise = true
	}
	return nil
}

// cut truncates to the committed end, and syncs that. Nothing counts as known to be
// on disk for it.
func (p *Producer) cut(s *segment) error {
	if err := s.file.truncate(s.end); err != nil {
		return err
	}
	if err := s.file.datasync(); err != nil {
		s.syncFailed = true
		before := s.durable
		err = p.mend(s)
		s.durable = before
		return err
	}
	return nil
}

// save writes the bytes behind the committed end to a saved tail (X-4, F-41).
func (p *Producer) save(s *segment, length uint64) (string, error) {
	crc, used, err := s.tailSum(length)
	if err != nil {
		return "", err
	}
	if free, err := p.dir.file.freeBytes(); err != nil {
		return "", err
	} else if free < used {
		return "", failf(System, "no space to save %d bytes", used)
	}
	like, err := p.dir.file.stat()
	if err != nil {
		return "", err
	}
	lost, err := makeDirectory(p.dir.file, "lost", like)
	if err != nil {
		return "", err
	}
	defer lost.close()
	base := fmt.Sprintf("%010d-%020d-%08x", s.sequence, s.end, crc)
	for n := 0; ; n++ {
		name := base + ".tail"
		if n > 0 {
			name = fmt.Sprintf("%s-%d.tail", base, n)
		}
		f, err := openTail(lost, name, s, length)
		if err != nil {
			return "", err
		}
		if f == nil {
			continue // something else has the name
		}
		err = fillTail(f, s, length)
		f.close()
		if err != nil {
			return "", err
		}
		if err := lost.sync(); err != nil {
			return "", err
		}
		if err := p.dir.file.sync(); err != nil {
			return "", err
		}
		p.namesSynced = true // that is enough for the raise, too
		return "lost/" + name, nil
	}
}

// tailSum is the CRC of the bytes behind the end, and how many of them stand in
// stretches that are not all zero.
func (s *segment) tailSum(length uint64) (crc uint32, used uint64, err error) {
	err = s.eachTail(0, length, func(_ uint64, b []byte) error {
		crc = more(crc, b)
		if !allZero(b) {
			used += uint64(len(b))
		}
		return nil
	})
	return crc, used, err
}

// eachTail hands over what stands from the end plus skip on, up to length.
func (s *segment) eachTail(skip, length uint64, do func(at uint64, b []byte) error) error {
	for at := skip; s.end+at < length; {
		n := min(1<<20, length-s.end-at)
		b, err := s.file.readAt(s.end+at, int(n))
		if err != nil {
			return err
		}
		if uint64(len(b)) < n {
			return failf(System, "%s became shorter", s.name())
		}
		if err := do(at, b); err != nil {
			return err
		}
		at += n
	}
	return nil
}

// openTail makes a saved tail, or opens one that holds a beginning of the bytes. A nil
// file says that something else has the name (F-41).
func openTail(lost *file, name string, s *segment, length uint64) (*file, error) {
	f, err := openat(lost, name, syscall.O_RDWR|syscall.O_CREAT|syscall.O_EXCL|openForData, 0o666)
	if err == nil {
		if like, err := s.file.stat(); err == nil {
			f.alike(like)
		}
		return f, nil
	}
	if err != syscall.EEXIST {
		return nil, systemError("making "+name, err)
	}
	if f, err = openRegular(lost, name, syscall.O_RDWR, 0); err != nil {
		return nil, nil
	}
	st, err := f.stat()
	same := err == nil && st.Nlink == 1 && uint64(st.Size) <= length-s.end
	if same {
		err = s.eachTail(0, s.end+uint64(st.Size), func(at uint64, b []byte) error {
			there, err := f.readAt(at, len(b))
			same = same && err == nil && bytes.Equal(b, there)
			return nil
		})
	}
	if err != nil || !same {
		f.close()
		return nil, err
	}
	return f, nil
}

// fillTail writes all of it anew: the sync of what is there may have failed (X-4, M-6).
func fillTail(f *file, s *segment, length uint64) error {
	err := s.eachTail(0, length, func(at uint64, b []byte) error { return f.writeAt(at, b) })
	if err != nil {
		return err
	}
	return f.datasync()
}

// makeDirectory makes and opens consumers or lost: never through a link (O-5, O-9).
func makeDirectory(dir *file, name string, like syscall.Stat_t) (*file, error) {
	made := true
	if err := mkdirat(dir, name, 0o777); err == syscall.EEXIST {
		made = false
	} else if isMissing(err) {
		return nil, failf(Removed, "the stream's directory was removed")
	} else if err != nil {
		return nil, systemError("making "+name, err)
	}
	f, err := openat(dir, name, openDirectories|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, systemError("opening "+name, err)
	}
	if made {
		f.alike(like)
	}
	return f, nil
}
