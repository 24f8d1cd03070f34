package puro

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// directory is that of a stream, held open; all names are names in it (O-8).
type directory struct {
	path string
	file *file
}

func openDirectory(path string) (*directory, error) {
	f, err := openat(nil, path, openDirectories, 0)
	if isMissing(err) {
		return nil, failf(NotAStream, "there is no directory %s", path)
	}
	if err != nil {
		return nil, systemError("opening "+path, err)
	}
	if err := f.refuseNetwork(); err != nil {
		f.close()
		return nil, err
	}
	return &directory{path, f}, nil
}

func (d *directory) close() { d.file.close() }

func segmentName(sequence uint32) string { return fmt.Sprintf("%010d.puro", sequence) }

// sequenceOf reads a segment's name: ten digits that a header can say (F-7).
func sequenceOf(name string) (uint32, bool) {
	digits, ok := strings.CutSuffix(name, ".puro")
	if !ok || len(digits) != 10 || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	return uint32(n), err == nil
}

// names lists the directory once.
func (d *directory) names() ([]string, error) {
	f, err := openat(d.file, ".", openDirectories, 0)
	if err != nil {
		return nil, systemError("listing "+d.path, err)
	}
	defer f.close()
	var names []string
	buffer := make([]byte, 64<<10)
	for {
		n := 0
		err := again(func() (err error) { n, err = syscall.ReadDirent(f.fd, buffer); return })
		if err != nil {
			return nil, systemError("listing "+d.path, err)
		}
		if n == 0 {
			return names, nil
		}
		_, _, names = syscall.ParseDirent(buffer[:n], -1, names)
	}
}

// has says whether anything has a name.
func (d *directory) has(name string) (bool, error) {
	_, err := statat(d.file, name)
	if isMissing(err) {
		return false, nil
	}
	return err == nil, systemError("looking up "+name, err)
}

// segments lists the sequence numbers, ascending. For each hole the first name is
// looked up by itself, for a listing is not one moment (V-11).
func (d *directory) segments() ([]uint32, error) {
	names, err := d.names()
	if err != nil {
		return nil, err
	}
	var listed []uint32
	for _, name := range names {
		if n, ok := sequenceOf(name); ok {
			listed = append(listed, n)
		}
	}
	slices.Sort(listed)
	var all []uint32
	for i, n := range listed {
		all = append(all, n)
		if i+1 == len(listed) {
			break
		}
		for next := n + 1; next < listed[i+1]; next++ {
			there, err := d.has(segmentName(next))
			if err != nil {
				return nil, err
			}
			if !there {
				break
			}
			all = append(all, next)
		}
	}
	return all, nil
}

// says is what a file with a segment's name says of itself (F-9).
type says int

const (
	saysStream says = iota // its header is valid, and its number is that of the name
	saysOther              // a valid header with another number: stray
	saysDamage             // no valid header
	saysGone               // the name is not there (any more)
)

// headerOf opens a file with a segment's name, reads its header, and closes it.
// What is newer, or cannot be opened, is an error (F-8, F-50).
func (d *directory) headerOf(sequence uint32) (Header, says, error) {
	f, err := openRegular(d.file, segmentName(sequence), syscall.O_RDONLY, 0)
	if isMissing(err) {
		return Header{}, saysGone, nil
	}
	if err != nil {
		return Header{}, saysDamage, err
	}
	defer f.close()
	b, err := f.readAt(0, headerBytes)
	if err != nil {
		return Header{}, saysDamage, err
	}
	h, err := ParseHeader(b, false)
	switch {
	case err == nil && h.Sequence == sequence:
		return h, saysStream, nil
	case err == nil:
		return h, saysOther, nil
	case KindOf(err) == Newer:
		return h, saysDamage, err
	}
	return h, saysDamage, nil
}

// view is what one look at the directory found.
type view struct {
	id       [16]byte
	segments []uint32 // all names, strays too
	active   uint32
}

// look finds the stream's id and its active segment (F-9, F-7).
func (d *directory) look() (*view, error) {
	for range maxStartOver {
		v, err := d.lookOnce()
		if v != nil || err != nil {
			return v, err
		}
	}
	return nil, failf(System, "the segments of %s change too fast", d.path)
}

// maxStartOver is how often something is begun anew.
const maxStartOver = 100

func (d *directory) lookOnce() (*view, error) {
	all, err := d.segments()
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, failf(NotAStream, "there is no segment in %s", d.path)
	}
	v := &view{segments: all}
	lowest, found := [16]byte{}, false
	for _, n := range all {
		h, what, err := d.headerOf(n)
		if err != nil {
			return nil, err
		}
		if what == saysStream {
			lowest, found = h.StreamID, true
			break
		}
	}
	if !found {
		if again, err := d.segments(); err != nil || !slices.Equal(all, again) {
			return nil, err
		}
		return nil, failf(Damaged, "no segment in %s says which stream it is of", d.path)
	}
	// From the highest down: the id that the highest says, and the active segment, which is
	// the highest that is no stray, one without a valid header included.
	active, haveActive, highest, haveHighest := uint32(0), false, [16]byte{}, false
	for _, n := range slices.Backward(all) {
		h, what, err := d.headerOf(n)
		if err != nil {
			return nil, err
		}
		if what == saysDamage && !haveActive {
			active, haveActive = n, true
		}
		if what == saysStream {
			highest, haveHighest = h.StreamID, true
			if !haveActive {
				active, haveActive = n, true
			}
			break
		}
	}
	if !haveHighest {
		return nil, nil // what said so is gone by now
	}
	v.id = lowest
	if lowest != highest {
		if v.id, err = d.most(all); err != nil {
			return nil, err
		}
		if active, haveActive, err = d.highestOf(all, v.id); err != nil {
			return nil, err
		}
	}
	if !haveActive {
		return nil, nil
	}
	v.active = active
	return v, nil
}

// most is the id that most files say; a draw is refused (F-9).
func (d *directory) most(all []uint32) ([16]byte, error) {
	count := map[[16]byte]int{}
	for _, n := range all {
		h, what, err := d.headerOf(n)
		if err != nil && KindOf(err) != Newer { // of a newer one only the version is read (F-50)
			return [16]byte{}, err
		}
		if err == nil && what == saysStream {
			count[h.StreamID]++
		}
	}
	var best [16]byte
	draw := true
	for id, n := range count {
		switch {
		case n > count[best]:
			best, draw = id, false
		case n == count[best]:
			draw = true
		}
	}
	if draw {
		return best, failf(NotAStream, "the segments of %s are of two streams, and as many of each", d.path)
	}
	return best, nil
}

func (d *directory) highestOf(all []uint32, id [16]byte) (uint32, bool, error) {
	for _, n := range slices.Backward(all) {
		h, what, err := d.headerOf(n)
		if err != nil {
			return 0, false, err
		}
		if what == saysDamage || what == saysStream && h.StreamID == id {
			return n, true, nil
		}
	}
	return 0, false, nil
}

// laterThan says whether a later segment of the stream is there: the next name, and
// where that is not there any in a listing. What has such a name and no
// valid header is damage; what cannot be opened is told as that.
func (d *directory) laterThan(sequence uint32, id [16]byte) (bool, error) {
	isLater := func(n uint32) (bool, error) {
		h, what, err := d.headerOf(n)
		if err != nil {
			return false, err
		}
		if what == saysDamage {
			return false, failf(Damaged, "%s has no valid header", segmentName(n))
		}
		return what == saysStream && h.StreamID == id, nil
	}
	if sequence < 1<<32-1 {
		if later, err := isLater(sequence + 1); later || err != nil {
			return later, err
		}
	}
	all, err := d.segments()
	if err != nil {
		return false, err
	}
	for _, n := range all {
		if n > sequence {
			if later, err := isLater(n); later || err != nil {
				return later, err
			}
		}
	}
	return false, nil
}
