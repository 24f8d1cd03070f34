package puro

import "encoding/binary"

// Attribute bits of a record (format.md, chapter 6).
const (
	attrKey     = 1
	attrValue   = 2
	attrHeaders = 4
	attrControl = 8
)

// RecordHeader is a name with a value.
type RecordHeader struct{ Name, Value []byte }

// Record is what users append and read. A nil Key is none, a nil Value makes a
// delete marker; empty ones are not nil.
type Record struct {
	Topic   []byte
	Key     []byte
	Value   []byte
	Headers []RecordHeader

	Offset uint64 // set where it was read (F-29)
	Time   uint64 // the block's timestamp
}

// AppendRecord adds the record's bytes, or refuses what exceeds a limit (F-30).
func AppendRecord(b []byte, r *Record) ([]byte, error) { return appendRecord(b, r, false) }

func appendRecord(b []byte, r *Record, control bool) ([]byte, error) {
	switch {
	case len(r.Topic) == 0 || len(r.Topic) > MaxTopicBytes:
		return b, failf(Refused, "a topic of %d bytes", len(r.Topic))
	case len(r.Key) > MaxKeyBytes:
		return b, failf(Refused, "a key of %d bytes", len(r.Key))
	case len(r.Value) > MaxValueBytes:
		return b, failf(Refused, "a value of %d bytes", len(r.Value))
	case r.Key == nil && r.Value == nil:
		return b, failf(Refused, "a delete marker without a key") // F-27
	}
	attributes := byte(0)
	rest := AppendVarint(nil, uint64(len(r.Topic)))
	rest = append(rest, r.Topic...)
	if r.Key != nil {
		attributes |= attrKey
		rest = AppendVarint(rest, uint64(len(r.Key)))
		rest = append(rest, r.Key...)
	}
	if len(r.Headers) > 0 {
		attributes |= attrHeaders
		headers := AppendVarint(nil, uint64(len(r.Headers)))
		for _, h := range r.Headers {
			if len(h.Name) == 0 { // F-26
				return b, failf(Refused, "a header without a name")
			}
			headers = AppendVarint(headers, uint64(len(h.Name)))
			headers = append(headers, h.Name...)
			headers = AppendVarint(headers, uint64(len(h.Value)))
			headers = append(headers, h.Value...)
			if len(headers) > MaxHeadersBytes {
				return b, failf(Refused, "headers of more than %d bytes", MaxHeadersBytes)
			}
		}
		rest = append(rest, headers...)
	}
	if r.Value != nil {
		attributes |= attrValue
	}
	if control {
		attributes |= attrControl
	}
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	b = AppendVarint(b, uint64(1+len(rest)+len(r.Value)))
	b = append(b, attributes)
	b = append(b, rest...)
	b = append(b, r.Value...)
	binary.LittleEndian.PutUint32(b[at:], CRC(b[at+4:]))
	return b, nil
}

// parseRecord reads one record from the beginning of a body, and says how many
// bytes it takes. Its fields are parts of the body (F-26 to F-31).
func parseRecord(b []byte) (r Record, control bool, n int, err error) {
	bad := func(what string) (Record, bool, int, error) {
		return Record{}, false, 0, failf(Damaged, "a record: %s", what)
	}
	if len(b) < 4 {
		return bad("cut within its crc")
	}
	length, taken, err := Varint(b[4:])
	if err != nil {
		return bad("its length")
	}
	begin := 4 + taken
	if length == 0 || length > uint64(len(b)-begin) { // F-28
		return bad("it ends beyond the body")
	}
	n = begin + int(length)
	if binary.LittleEndian.Uint32(b) != CRC(b[4:n]) {
		return bad("its crc")
	}
	attributes := b[begin]
	if attributes&0xf0 != 0 { // F-27
		return bad("unknown attributes")
	}
	rest := b[begin+1 : n]
	field := func(least, most uint64) ([]byte, bool) {
		size, taken, err := Varint(rest)
		if err != nil || size < least || size > most || size > uint64(len(rest)-taken) {
			return nil, false
		}
		f := rest[taken : taken+int(size) : taken+int(size)]
		rest = rest[taken+int(size):]
		return f, true
	}
	ok := true
	if r.Topic, ok = field(1, MaxTopicBytes); !ok {
		return bad("its topic")
	}
	if attributes&attrKey != 0 {
		if r.Key, ok = field(0, MaxKeyBytes); !ok {
			return bad("its key")
		}
	}
	control = attributes&attrControl != 0
	if attributes&attrHeaders != 0 {
		if control { // F-31
			return bad("a control record with headers")
		}
		before := len(rest)
		count, taken, err := Varint(rest)
		if err != nil || count == 0 {
			return bad("its headers")
		}
		rest = rest[taken:]
		for ; count > 0; count-- {
			var h RecordHeader
			if h.Name, ok = field(1, MaxHeadersBytes); !ok {
				return bad("its headers")
			}
			if h.Value, ok = field(0, MaxHeadersBytes); !ok {
				return bad("its headers")
			}
			r.Headers = append(r.Headers, h)
			if before-len(rest) > MaxHeadersBytes { // F-30
				return bad("headers beyond the limit")
			}
		}
	}
	switch {
	case attributes&attrValue != 0:
		if len(rest) > MaxValueBytes {
			return bad("its value")
		}
		r.Value = rest[:len(rest):len(rest)]
	case len(rest) > 0:
		return bad("bytes behind a delete marker") // F-27
	case r.Key == nil:
		return bad("a delete marker without a key") // F-27
	}
	return r, control, n, nil
}

// Entries are control records with a key, as they stand in a body (F-31).
type controlRecord struct {
	kind, key, value []byte // key nil: it says something of its place; value nil: it removes
}

// parseBody reads all records of a block, and says where it goes wrong: what
// stands before is given all the same. It checks that the flag and
// record_count agree with the records (F-17, F-18), and gaps (F-33).
func parseBody(s *Start, body []byte) (users []Record, controls []controlRecord, err error) {
	offset := s.FirstOffset
	behindGap, anyControl := false, false
	for len(body) > 0 {
		r, control, n, err := parseRecord(body)
		if err != nil {
			return users, controls, err
		}
		body = body[n:]
		if control {
			anyControl = true
			controls = append(controls, controlRecord{r.Topic, r.Key, r.Value})
			isGap := r.Key == nil && string(r.Topic) == kindGap
			if isGap {
				count, taken, err := Varint(r.Value)
				if err != nil || taken != len(r.Value) || count == 0 {
					return users, controls, failf(Damaged, "a gap without a number")
				}
				if behindGap {
					return users, controls, failf(Damaged, "two gaps side by side")
				}
				if count > uint64(s.RecordCount)-(offset-s.FirstOffset) {
					return users, controls, failf(Damaged, "a gap beyond its block")
				}
				offset += count
			}
			behindGap = isGap
			continue
		}
		behindGap = false
		if offset-s.FirstOffset >= uint64(s.RecordCount) { // F-18
			return users, controls, failf(Damaged, "more records than record_count says")
		}
		r.Offset, r.Time = offset, s.Timestamp
		users = append(users, r)
		offset++
	}
	if offset-s.FirstOffset != uint64(s.RecordCount) {
		return users, controls, failf(Damaged, "fewer records than record_count says")
	}
	if anyControl != (s.Flags&1 != 0) {
		return users, controls, failf(Damaged, "the flag of control records is wrong")
	}
	return users, controls, nil
}

// parseControls reads the control records of a body and judges nothing else: that
// is all that a writer decodes (F-24).
func parseControls(body []byte) ([]controlRecord, error) {
	var controls []controlRecord
	for len(body) > 0 {
		r, control, n, err := parseRecord(body)
		if err != nil {
			return nil, err
		}
		body = body[n:]
		if control {
			controls = append(controls, controlRecord{r.Topic, r.Key, r.Value})
		}
	}
	return controls, nil
}
