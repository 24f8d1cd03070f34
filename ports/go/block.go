package puro

import (
	"bytes"
	"encoding/binary"
)

// Kinds of blocks.
const (
	KindRecords    = 1
	KindCheckpoint = 2
	KindEnd        = 3
)

// The two signals (format.md, chapter 5).
const (
	low  = 0x00
	high = 0xa5
)

// Start is the first 48 bytes of a block.
type Start struct {
	Signal      byte
	Kind        byte
	Flags       uint16
	BodyLen     uint32
	RecordCount uint32
	PrevCRC     uint32
	FirstOffset uint64
	Timestamp   uint64
	DurableTo   uint64
	Epoch       uint32
	StartCRC    uint32
}

// Block is a block that was read and found valid.
type Block struct {
	Start
	Position uint64
	Body     []byte
	CRC      uint32
}

// Length is that of a whole block with such a body (F-15).
func blockLength(bodyLen uint64) uint64 {
	return (startBytes + bodyLen + endBytes + unit - 1) / unit * unit
}

// Length is that of the block in the file.
func (s *Start) Length() uint64 { return blockLength(uint64(s.BodyLen)) }

// End is the place behind the block.
func (b *Block) End() uint64 { return b.Position + b.Length() }

// Next is the offset behind the block.
func (s *Start) Next() uint64 { return s.FirstOffset + uint64(s.RecordCount) }

// Is says how much is right of what stands at a place (F-24).
type Is string

// What can stand at a place, each saying more than the one before it.
const (
	Nothing   Is = "nothing" // the file ends within the start
	Invalid   Is = "invalid"
	Valid     Is = "valid"
	Good      Is = "good"
	Committed Is = "committed"
)

// chain is what a block must continue (F-21).
type chain struct {
	crc        uint32
	next       uint64
	generation uint32
}

// ParseStart says whether a start stands in the 48 bytes, which is so whatever
// the signal is (F-43): start_crc is right for the position, and each field by
// itself can be.
func ParseStart(b []byte, headerCRC uint32, position uint64) (Start, bool) {
	var s Start
	if len(b) < startBytes {
		return s, false
	}
	kind := b[1]
	if kind < KindRecords || kind > KindEnd { // cheap, and refuses zeros
		return s, false
	}
	s.StartCRC = binary.LittleEndian.Uint32(b[44:])
	if more(seed(headerCRC, position), b[1:44]) != s.StartCRC {
		return s, false
	}
	s.Signal = b[0]
	s.Kind = kind
	s.Flags = binary.LittleEndian.Uint16(b[2:])
	s.BodyLen = binary.LittleEndian.Uint32(b[4:])
	s.RecordCount = binary.LittleEndian.Uint32(b[8:])
	s.PrevCRC = binary.LittleEndian.Uint32(b[12:])
	s.FirstOffset = binary.LittleEndian.Uint64(b[16:])
	s.Timestamp = binary.LittleEndian.Uint64(b[24:])
	s.DurableTo = binary.LittleEndian.Uint64(b[32:])
	s.Epoch = binary.LittleEndian.Uint32(b[40:])
	switch {
	case s.Flags&^1 != 0: // F-17
		return s, false
	case s.BodyLen > MaxBodyBytes, kind == KindRecords && s.BodyLen == 0: // F-16
		return s, false
	case kind != KindRecords && s.RecordCount != 0: // F-18
		return s, false
	case s.FirstOffset+uint64(s.RecordCount) < s.FirstOffset: // F-18
		return s, false
	}
	return s, true
}

// bytesAt gives up to n bytes from a place on, fewer where the file ends.
type bytesAt func(position uint64, n int) ([]byte, error)

// checkBlock says what stands at a position. The length is believed only behind
// start_crc, the body only behind crc (F-20). An error is one of reading.
func checkBlock(read bytesAt, headerCRC uint32, position uint64, prev chain) (Is, *Block, error) {
	b, err := read(position, startBytes)
	if err != nil {
		return Invalid, nil, err
	}
	if len(b) < startBytes {
		return Nothing, nil, nil
	}
	s, stands := ParseStart(b, headerCRC, position)
	if !stands || s.Signal != low && s.Signal != high {
		return Invalid, nil, nil
	}
	length := s.Length()
	b, err = read(position, int(length))
	if err != nil {
		return Invalid, nil, err
	}
	if uint64(len(b)) < length {
		return Invalid, nil, nil // it does not lie within the file
	}
	// What was read now may be another start than that of the first read (M-2).
	if again, stands := ParseStart(b, headerCRC, position); !stands || again.StartCRC != s.StartCRC {
		return Invalid, nil, nil
	} else if s = again; s.Signal != low && s.Signal != high {
		return Invalid, nil, nil
	}
	bodyEnd := startBytes + uint64(s.BodyLen)
	if !allZero(b[bodyEnd : length-endBytes]) { // the pad (F-15)
		return Invalid, nil, nil
	}
	if binary.LittleEndian.Uint32(b[length-8:]) != s.BodyLen {
		return Invalid, nil, nil
	}
	crc := binary.LittleEndian.Uint32(b[length-4:])
	if more(s.StartCRC, b[startBytes:length-4]) != crc { // F-19: start_crc continued
		return Invalid, nil, nil
	}
	block := &Block{Start: s, Position: position, CRC: crc, Body: bytes.Clone(b[startBytes:bodyEnd])}
	switch {
	case s.PrevCRC != prev.crc:
		return Valid, block, nil
	case prev.generation == 0 && s.FirstOffset != prev.next, s.FirstOffset < prev.next:
		return Valid, block, nil
	case s.Signal == low:
		return Good, block, nil
	}
	return Committed, block, nil
}

// Bytes gives the block as it stands in a file under such a header, and sets its
// checksums (F-15, F-19).
func (b *Block) Bytes(headerCRC uint32) []byte {
	b.BodyLen = uint32(len(b.Body))
	length := b.Length()
	out := make([]byte, length)
	out[0] = b.Signal
	out[1] = b.Kind
	binary.LittleEndian.PutUint16(out[2:], b.Flags)
	binary.LittleEndian.PutUint32(out[4:], b.BodyLen)
	binary.LittleEndian.PutUint32(out[8:], b.RecordCount)
	binary.LittleEndian.PutUint32(out[12:], b.PrevCRC)
	binary.LittleEndian.PutUint64(out[16:], b.FirstOffset)
	binary.LittleEndian.PutUint64(out[24:], b.Timestamp)
	binary.LittleEndian.PutUint64(out[32:], b.DurableTo)
	binary.LittleEndian.PutUint32(out[40:], b.Epoch)
	b.StartCRC = more(seed(headerCRC, b.Position), out[1:44])
	binary.LittleEndian.PutUint32(out[44:], b.StartCRC)
	copy(out[startBytes:], b.Body)
	binary.LittleEndian.PutUint32(out[length-8:], b.BodyLen)
	b.CRC = more(b.StartCRC, out[startBytes:length-4])
	binary.LittleEndian.PutUint32(out[length-4:], b.CRC)
	return out
}

// startWithin says whether a start stands at a multiple of 64 in these bytes of a
// block other than its own place (F-43).
func startWithin(b []byte, headerCRC uint32, position uint64) bool {
	for at := unit; at+startBytes <= len(b); at += unit {
		if _, stands := ParseStart(b[at:at+startBytes], headerCRC, position+uint64(at)); stands {
			return true
		}
	}
	return false
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
