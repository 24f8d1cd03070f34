package puro

import (
	"encoding/binary"
	"hash/crc32"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// CRC is CRC-32C (F-3).
func CRC(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// more goes on with a CRC over what stands behind.
func more(crc uint32, b []byte) uint32 { return crc32.Update(crc, castagnoli, b) }

// seed is the CRC of what the checksums of a block begin with (F-19): the crc of
// the segment's header, and the block's position.
func seed(headerCRC uint32, position uint64) uint32 {
	var b [12]byte
	binary.LittleEndian.PutUint32(b[0:], headerCRC)
	binary.LittleEndian.PutUint64(b[4:], position)
	return CRC(b[:])
}
