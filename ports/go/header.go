package puro

import (
	"bytes"
	"encoding/binary"
)

var magic = []byte{0x8b, 'P', 'U', 'R', 'O', '\r', '\n', 0x1a}

// Header is the beginning of a segment (format.md, chapter 4).
type Header struct {
	StreamID   [16]byte
	BaseOffset uint64
	Created    uint64
	Sequence   uint32
	Generation uint32
	Epoch      uint32

	CRC            uint32 // as it stands in the file
	readCompatible bool   // unknown bits of features_read_compatible: read, do not write
}

// Bytes gives the header as version 1 writes it (F-12, F-13).
func (h *Header) Bytes() []byte {
	b := make([]byte, headerBytes)
	copy(b, magic)
	binary.LittleEndian.PutUint16(b[8:], 1)
	copy(b[16:32], h.StreamID[:])
	binary.LittleEndian.PutUint64(b[32:], h.BaseOffset)
	binary.LittleEndian.PutUint64(b[40:], h.Created)
	binary.LittleEndian.PutUint32(b[48:], h.Sequence)
	binary.LittleEndian.PutUint32(b[52:], h.Generation)
	binary.LittleEndian.PutUint32(b[56:], h.Epoch)
	h.CRC = CRC(b[:60])
	binary.LittleEndian.PutUint32(b[60:], h.CRC)
	return b
}

// ParseHeader checks magic, crc, version and features in this order (F-12).
// With write, features that forbid writing count, too.
func ParseHeader(b []byte, write bool) (Header, error) {
	var h Header
	if !bytes.HasPrefix(b, magic) {
		return h, failf(Foreign, "not a segment")
	}
	if len(b) < headerBytes || binary.LittleEndian.Uint32(b[60:]) != CRC(b[:60]) {
		return h, failf(Damaged, "the header of a segment is damaged")
	}
	if v := binary.LittleEndian.Uint16(b[8:]); v != 1 {
		return h, failf(Newer, "a segment of version %d", v)
	}
	if binary.LittleEndian.Uint16(b[14:]) != 0 {
		return h, failf(Newer, "a segment with features that forbid reading")
	}
	h.readCompatible = binary.LittleEndian.Uint16(b[12:]) != 0
	if write && h.readCompatible {
		return h, failf(Newer, "a segment with features that forbid writing")
	}
	copy(h.StreamID[:], b[16:32])
	h.BaseOffset = binary.LittleEndian.Uint64(b[32:])
	h.Created = binary.LittleEndian.Uint64(b[40:])
	h.Sequence = binary.LittleEndian.Uint32(b[48:])
	h.Generation = binary.LittleEndian.Uint32(b[52:])
	h.Epoch = binary.LittleEndian.Uint32(b[56:])
	h.CRC = binary.LittleEndian.Uint32(b[60:])
	return h, nil
}
