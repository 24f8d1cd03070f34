package puro

// The limits of format.md, chapter 6.
const (
	MaxTopicBytes   = 1024
	MaxKeyBytes     = 1024
	MaxHeadersBytes = 65536
	MaxValueBytes   = 10 << 20
	MaxBodyBytes    = 16 << 20
	MaxNameBytes    = 200

	checkpointBodyBytes = 1 << 20
	zerosAheadBytes     = 256 << 10

	headerBytes = 64 // of a segment (F-12)
	startBytes  = 48 // of a block
	endBytes    = 8  // of a block
	unit        = 64 // blocks begin on its multiples (F-15)
)

// ValidName says whether a consumer or an identity may be called so (F-11).
func ValidName(name string) bool {
	if len(name) == 0 || len(name) > MaxNameBytes || name[0] == '.' {
		return false
	}
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}
