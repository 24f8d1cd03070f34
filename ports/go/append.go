package puro

import (
	"bytes"
)

// Batch is what is appended at once: one block, one transaction.
type Batch struct {
	Records  []Record
	Durable  *bool  // nil: as the stream's setting says
	IfEnd    *Token // append only if this is the end
	Identity string // of the producer, if it has one (C-4)
	Sequence uint64 // of this append, where there is an identity

	entries []Entry                           // changes of the state
	check   func(s *segment) error            // under the lock, behind A-5
	more    func(s *segment) ([]Entry, error) // entries that depend on the place
}

// Appended says where a batch stands.
type Appended struct {
	FirstOffset uint64
	Count       uint32
	Duplicate   bool // it was there already
}

// Append appends a batch. Its error says whether it was: NotDurable, Unknown, and
// all others, behind which it was not.
func (p *Producer) Append(b Batch) (Appended, error) {
	if len(b.Records) == 0 && len(b.entries) == 0 && b.more == nil {
		return Appended{}, failf(Refused, "a batch without records") // F-16
	}
	if b.Identity != "" && !ValidName(b.Identity) {
		return Appended{}, failf(Refused, "an identity cannot be called %q", b.Identity) // F-11
	}
	if b.IfEnd != nil && b.IfEnd.StreamID != p.id {
		return Appended{}, failf(Refused, "the token is of another stream") // E-8
	}
	users, err := encodeAll(b.Records)
	if err != nil {
		return Appended{}, err
	}
	var done Appended
	var sync *segment
	err = p.withLock(func() (err error) {
		done, sync, err = p.appendLocked(&b, users)
		return err
	})
	if err != nil {
		return Appended{}, err
	}
	if done.Duplicate {
		if err := p.sameRecords(&b, done); err != nil {
			return Appended{}, err
		}
	}
	if sync != nil {
		if err := p.sync(sync); err != nil {
			return done, err
		}
	}
	return done, nil
}

// Set changes a setting; a nil value unsets it (C-6).
func (p *Producer) Set(name string, value *string) error {
	e := Entry{Kind: kindSetting, Key: name}
	if value != nil {
		if err := checkSetting(name, *value); err != nil {
			return err
		}
		e.Value = append([]byte{}, *value...)
	} else if err := checkSettingName(name); err != nil {
		return err
	}
	_, err := p.Append(Batch{entries: []Entry{e}})
	return err
}

// Repair brings the stream to a clean end, and says what was done for it.
func (p *Producer) Repair() ([]Repair, error) {
	if done, err := p.nothingToRepair(); done || err != nil {
		return nil, err
	}
	before := len(p.repairs)
	err := p.withLock(p.catchUp)
	return p.repairs[before:], notAppended(err)
}

// nothingToRepair says whether writer.lock is missing and the end is clean: then no
// file is made for it (O-9).
func (p *Producer) nothingToRepair() (bool, error) {
	if there, err := p.dir.has(p.lock.name); there || err != nil {
		return false, err
	}
	if p.segment.last == KindEnd {
		return false, nil
	}
	label, _, err := p.segment.classify(p.boot, 0)
	return err == nil && label == Clean, err
}

func encodeAll(records []Record) ([]byte, error) {
	var body []byte
	var err error
	for i := range records {
		if body, err = appendRecord(body, &records[i], false); err != nil {
			return nil, err
		}
		if len(body) > MaxBodyBytes {
			return nil, failf(Refused, "a batch of more than %d bytes", MaxBodyBytes)
		}
	}
	return body, nil
}

// notAppended takes the claim out of an error that the records, which were not
// written yet, were appended.
func notAppended(err error) error {
	if k := KindOf(err); err != nil && (k == NotDurable || k == Unknown) {
		return &Error{System, "not appended", err}
	}
	return err
}

// appendLocked is. It gives the segment that is to be synced.
func (p *Producer) appendLocked(b *Batch, users []byte) (Appended, *segment, error) {
	fail := func(err error) (Appended, *segment, error) { return Appended{}, nil, err }
	for range maxStartOver {
		if err := p.catchUp(); err != nil {
			return fail(notAppended(err))
		}
		durable := p.segment.state.durable()
		if b.Durable != nil {
			durable = *b.Durable
		}
		if done, err := p.decide(b); err != nil {
			return fail(err)
		} else if done.Duplicate {
			if durable {
				return done, p.segment, nil
			}
			return done, nil, nil
		}
		block, err := p.place(b, users)
		if err == errInTheWay {
			continue
		}
		if err != nil {
			return fail(notAppended(err))
		}
		err = p.write(block)
		if err == errInTheWay {
			continue
		}
		if err != nil {
			return fail(err)
		}
		done := Appended{FirstOffset: block.FirstOffset, Count: block.RecordCount}
		if !durable {
			return done, nil, nil
		}
		if p.zeros {
			p.zerosAhead()
		}
		return done, p.segment, nil
	}
	return fail(failf(System, "something comes to stand behind the end again and again"))
}

// decide asks all that may forbid the append, and whether it was done already (C-4,
// A-16, C-2). A retry with a condition is a duplicate first.
func (p *Producer) decide(b *Batch) (Appended, error) {
	s := p.segment
	if b.Identity != "" {
		if v := s.state.Get(kindProducer, b.Identity); v != nil {
			was, err := parseIdentity(v)
			if err != nil {
				return Appended{}, err
			}
			switch {
			case was.sequence == b.Sequence && uint64(was.count) != uint64(len(b.Records)):
				return Appended{}, failf(OldSequence, "sequence %d was another batch", b.Sequence)
			case was.sequence == b.Sequence:
				return Appended{FirstOffset: was.first, Count: was.count, Duplicate: true}, nil
			case was.sequence > b.Sequence:
				return Appended{}, failf(OldSequence, "%s is beyond sequence %d", b.Identity, b.Sequence)
			}
		}
	}
	if t := b.IfEnd; t != nil {
		if s.state.diverged(*t, s.next) {
			return Appended{}, failf(Diverged, "the history of %v is gone", *t)
		}
		if t.Offset != s.next {
			return Appended{}, failf(Conflict, "others have appended behind %v", *t)
		}
	}
	if b.check != nil {
		return Appended{}, b.check(s)
	}
	return Appended{}, nil
}

// place makes room for the block, and makes it. What it says of its place is
// right only behind a roll.
func (p *Producer) place(b *Batch, users []byte) (*Block, error) {
	if err := p.makeReady(); err != nil {
		return nil, err
	}
	block, n, err := p.block(b, users)
	if err != nil {
		return nil, err
	}
	if !p.segment.fits(n) {
		if err := p.roll(n); err != nil {
			return nil, err
		}
		if block, _, err = p.block(b, users); err != nil {
			return nil, err
		}
	}
	if !p.segment.epochOnDisk() { // E-4
		if err := p.sync(p.segment); err != nil {
			return nil, err
		}
		block.DurableTo = p.segment.durable
	}
	return block, nil
}

// block makes the block as it would stand at the end, and says how long it is there.
func (p *Producer) block(b *Batch, users []byte) (*Block, uint64, error) {
	s := p.segment
	now := p.clock()
	block := &Block{Position: s.end, Body: bytes.Clone(users), Start: Start{Kind: KindRecords, PrevCRC: s.crc,
		RecordCount: uint32(len(b.Records)), FirstOffset: s.next, Timestamp: now, Epoch: s.state.NewestEpoch()}}
	if s.next+uint64(len(b.Records)) < s.next {
		return nil, 0, failf(Refused, "no offset is left") // F-18
	}
	entries := b.entries
	if b.more != nil {
		more, err := b.more(s)
		if err != nil {
			return nil, 0, err
		}
		entries = append(entries[:len(entries):len(entries)], more...)
	}
	if b.Identity != "" { // C-3: behind the records
		entries = append(entries[:len(entries):len(entries)], Entry{kindProducer, b.Identity, identity{
			b.Sequence, s.next, block.RecordCount, block.Epoch, max(now, s.began())}.value()})
	}
	for _, e := range entries {
		var err error
		if block.Body, err = appendEntry(block.Body, e); err != nil {
			return nil, 0, err
		}
		block.Flags = 1
	}
	if len(block.Body) > MaxBodyBytes {
		return nil, 0, failf(Refused, "a batch of more than %d bytes", MaxBodyBytes)
	}
	padded := *block
	bytes, err := padded.padded(s.header.CRC)
	return block, uint64(len(bytes)), err
}

// sameRecords refuses a retry whose records are not those that are still there (C-4).
// It needs no lock.
func (p *Producer) sameRecords(b *Batch, done Appended) error {
	r, err := newReader(p.dir, p.id, p.boot, p.wait)
	if err != nil {
		return err
	}
	defer r.letGo()
	if err := r.SeekOffset(done.FirstOffset); err != nil {
		if KindOf(err) == OutOfRange {
			return nil
		}
		return err
	}
	for {
		is, err := r.Next()
		if err == ErrEnd || err == nil && is.Offset-done.FirstOffset >= uint64(done.Count) {
			return nil
		}
		if err != nil {
			return err
		}
		want := b.Records[is.Offset-done.FirstOffset]
		x, _ := appendRecord(nil, &want, false)
		y, _ := appendRecord(nil, is, false)
		if !bytes.Equal(x, y) {
			return failf(OldSequence, "sequence %d had other records", b.Sequence)
		}
	}
}
