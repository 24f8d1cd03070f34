package main

import (
	"encoding/hex"
	"encoding/json"
	"time"

	"puro"
)

// octets are bytes, as hexadecimal digits. nil is none.
type octets []byte

func (o *octets) UnmarshalJSON(b []byte) error {
	var text *string
	if err := json.Unmarshal(b, &text); err != nil || text == nil {
		return err
	}
	got, err := hex.DecodeString(*text)
	*o = append(octets{}, got...)
	return err
}

func (o octets) MarshalJSON() ([]byte, error) {
	if o == nil {
		return []byte("null"), nil
	}
	return json.Marshal(hex.EncodeToString(o))
}

// request has the fields of all requests. name and value are bytes in some, text in
// others; from is a number or a text.
type request struct {
	Do     string `json:"do"`
	Handle string `json:"handle"`

	Bytes       octets `json:"bytes"`
	Write       bool   `json:"write"`
	StreamID    octets `json:"stream_id"`
	BaseOffset  uint64 `json:"base_offset"`
	Created     uint64 `json:"created"`
	SequenceNo  uint64 `json:"sequence"` // of a header, and of an append
	Generation  uint32 `json:"generation"`
	Epoch       uint32 `json:"epoch"`
	HeaderCRC   uint32 `json:"header_crc"`
	Position    uint64 `json:"position"`
	PrevCRC     uint32 `json:"prev_crc"`
	NextOffset  uint64 `json:"next_offset"`
	Kind        byte   `json:"kind"`
	Body        octets `json:"body"`
	FirstOffset uint64 `json:"first_offset"`
	RecordCount uint32 `json:"record_count"`
	Control     bool   `json:"control"`
	Timestamp   uint64 `json:"timestamp"`
	DurableTo   uint64 `json:"durable_to"`
	Signal      byte   `json:"signal"`
	record
	Name  json.RawMessage `json:"name"`
	Value json.RawMessage `json:"value"`
	Text  string          `json:"text"`

	Dir      string            `json:"dir"`
	Clock    *uint64           `json:"clock"`
	Boot     octets            `json:"boot"`
	Random   octets            `json:"random"`
	LockMS   *uint64           `json:"lock_ms"`
	From     json.RawMessage   `json:"from"`
	Topics   []octets          `json:"topics"`
	Settings map[string]string `json:"settings"`
	Records  []fullRecord      `json:"records"`
	Durable  *bool             `json:"durable"`
	IfEnd    *string           `json:"if_end"`
	Identity *string           `json:"identity"`
	Take     *uint64           `json:"take"`
	Commit   bool              `json:"commit"`
	Deep     bool              `json:"deep"`
}

// record is a record but for its value, which a request has under a name of its own.
type record struct {
	Topic   octets      `json:"topic"`
	Key     octets      `json:"key"`
	Headers [][2]octets `json:"headers"`
}

type fullRecord struct {
	record
	Value octets `json:"value"`
}

func (r *record) puro(value octets) puro.Record {
	p := puro.Record{Topic: r.Topic, Key: r.Key, Value: value}
	for _, h := range r.Headers {
		p.Headers = append(p.Headers, puro.RecordHeader{Name: h[0], Value: h[1]})
	}
	return p
}

func (r *request) batch() []puro.Record {
	var all []puro.Record
	for i := range r.Records {
		all = append(all, r.Records[i].puro(r.Records[i].Value))
	}
	return all
}

func (r *request) options() puro.Options {
	o := puro.Options{LockWait: 10 * time.Second}
	if r.Clock != nil {
		now := *r.Clock
		o.Clock = func() uint64 { return now }
	}
	if len(r.Boot) == 16 {
		boot := [16]byte(r.Boot)
		o.Boot = &boot
	}
	if len(r.Random) == 16 {
		id := [16]byte(r.Random)
		o.StreamID = &id
	}
	if r.LockMS != nil {
		o.LockWait = max(time.Duration(*r.LockMS)*time.Millisecond, 1)
	}
	return o
}

// text reads a field that is text, "" where there is none.
func text(raw json.RawMessage) (s string, there bool) {
	var p *string
	if json.Unmarshal(raw, &p) != nil || p == nil {
		return "", false
	}
	return *p, true
}

func bytesOf(raw json.RawMessage) octets {
	var o octets
	if len(raw) > 0 {
		_ = o.UnmarshalJSON(raw)
	}
	return o
}

// object is an answer.
type object map[string]any

func recordsOf(records []puro.Record, withTime bool) []object {
	all := []object{}
	for i := range records {
		r := &records[i]
		o := object{"topic": octets(r.Topic), "offset": r.Offset}
		if r.Key != nil {
			o["key"] = octets(r.Key)
		}
		if r.Value != nil {
			o["value"] = octets(r.Value)
		}
		if len(r.Headers) > 0 {
			var pairs [][2]octets
			for _, h := range r.Headers {
				pairs = append(pairs, [2]octets{append(octets{}, h.Name...), append(octets{}, h.Value...)})
			}
			o["headers"] = pairs
		}
		if withTime {
			o["time"] = r.Time
		}
		all = append(all, o)
	}
	return all
}
