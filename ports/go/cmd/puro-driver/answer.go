package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"puro"
)

type driver struct {
	producers map[string]*puro.Producer
	consumers map[string]*puro.Consumer
}

// words are the requests that this driver answers.
func (d *driver) words() map[string]func(*request) (object, error) {
	return map[string]func(*request) (object, error){
		"hello": d.hello, "crc": crc, "varint": varint, "to_varint": toVarint, "header": header, "to_header": toHeader,
		"start": start, "block": block, "to_block": toBlock, "records": records, "to_record": toRecord,
		"setting": setting, "name": name, "token": token,
		"info": info, "classify": classify, "read": read, "verify": verify, "create": create, "append": d.append, "set": d.set,
		"repair": repair, "consume": d.consume, "close": d.close,
	}
}

func (d *driver) answer(line []byte) object {
	var r request
	if err := json.Unmarshal(line, &r); err != nil {
		return object{"error": "refused", "text": err.Error()}
	}
	do := d.words()[r.Do]
	if do == nil {
		return object{"error": "unsupported"}
	}
	answer, err := do(&r)
	if err != nil {
		return object{"error": word(err), "text": err.Error()}
	}
	if answer == nil {
		answer = object{}
	}
	return answer
}

// word is that of the table of errors.
func word(err error) string {
	switch k := puro.KindOf(err); k {
	case puro.NotDurable, puro.Unknown:
		return "system"
	default:
		return string(k)
	}
}

func (d *driver) hello(*request) (object, error) {
	var names []string
	for n := range d.words() {
		names = append(names, n)
	}
	return object{"name": "puro in Go", "requests": names}, nil
}

func crc(r *request) (object, error) { return object{"crc": puro.CRC(r.Bytes)}, nil }

func varint(r *request) (object, error) {
	n, length, err := puro.Varint(r.Bytes)
	return object{"value": n, "length": length}, err
}

func toVarint(r *request) (object, error) {
	n, err := strconv.ParseUint(string(r.Value), 10, 64)
	return object{"bytes": octets(puro.AppendVarint(nil, n))}, err
}

func header(r *request) (object, error) {
	h, err := puro.ParseHeader(r.Bytes, r.Write)
	return object{"stream_id": octets(h.StreamID[:]), "base_offset": h.BaseOffset, "created": h.Created,
		"sequence": h.Sequence, "generation": h.Generation, "epoch": h.Epoch}, err
}

func toHeader(r *request) (object, error) {
	h := puro.Header{BaseOffset: r.BaseOffset, Created: r.Created, Sequence: uint32(r.SequenceNo),
		Generation: r.Generation, Epoch: r.Epoch}
	copy(h.StreamID[:], r.StreamID)
	return object{"bytes": octets(h.Bytes())}, nil
}

func startObject(s *puro.Start) object {
	return object{"kind": s.Kind, "flags": s.Flags, "body_len": s.BodyLen, "record_count": s.RecordCount,
		"prev_crc": s.PrevCRC, "first_offset": s.FirstOffset, "timestamp": s.Timestamp,
		"durable_to": s.DurableTo, "epoch": s.Epoch}
}

func start(r *request) (object, error) {
	s, stands := puro.ParseStart(r.Bytes, r.HeaderCRC, r.Position)
	if !stands {
		return nil, &puro.Error{Kind: puro.Damaged, Text: "no start stands there"}
	}
	return startObject(&s), nil
}

func block(r *request) (object, error) {
	is, b := puro.CheckBlock(r.Bytes, r.HeaderCRC, r.Position, r.PrevCRC, r.NextOffset, r.Generation)
	answer := object{"is": is}
	if b != nil {
		answer["crc"], answer["start"] = b.CRC, startObject(&b.Start)
	}
	return answer, nil
}

func toBlock(r *request) (object, error) {
	b := puro.Block{Position: r.Position, Body: r.Body, Start: puro.Start{Signal: r.Signal, Kind: r.Kind,
		RecordCount: r.RecordCount, PrevCRC: r.PrevCRC, FirstOffset: r.FirstOffset, Timestamp: r.Timestamp,
		DurableTo: r.DurableTo, Epoch: r.Epoch}}
	if r.Control {
		b.Flags = 1
	}
	return object{"bytes": octets(b.Bytes(r.HeaderCRC))}, nil
}

func records(r *request) (object, error) {
	got, err := puro.ParseBody(r.Kind, r.Body, r.Control, r.RecordCount, r.FirstOffset)
	return object{"records": recordsOf(got, false)}, err
}

func toRecord(r *request) (object, error) {
	rec := r.record.puro(bytesOf(r.Value))
	b, err := puro.AppendRecord(nil, &rec)
	return object{"bytes": octets(b)}, err
}

func setting(r *request) (object, error) {
	value, there := puro.SettingText(string(bytesOf(r.Name)), bytesOf(r.Value))
	if !there {
		return nil, nil
	}
	return object{"value": value}, nil
}

func name(r *request) (object, error) {
	n, _ := text(r.Name)
	if !puro.ValidName(n) {
		return nil, &puro.Error{Kind: puro.Refused, Text: "no name"}
	}
	return nil, nil
}

func token(r *request) (object, error) {
	t, err := puro.ParseToken(r.Text)
	return object{"stream_id": octets(t.StreamID[:]), "epoch": t.Epoch, "offset": t.Offset, "text": t.String()}, err
}

func info(r *request) (object, error) {
	i, err := puro.Look(r.Dir, r.options())
	state := [][3]octets{}
	for _, e := range i.State {
		state = append(state, [3]octets{octets(e.Kind), octets(e.Key), append(octets{}, e.Value...)})
	}
	return object{"stream_id": octets(i.StreamID[:]), "segment": i.Segment, "end": i.End,
		"next_offset": i.NextOffset, "epoch": i.Epoch, "state": state}, err
}

func classify(r *request) (object, error) {
	i, err := puro.Look(r.Dir, r.options())
	return object{"label": i.Label, "end": i.End, "length": i.Length}, err
}

func read(r *request) (object, error) {
	rd, err := puro.OpenReader(r.Dir, r.options())
	if err != nil {
		return nil, err
	}
	defer rd.Close()
	if err := seek(rd, r); err != nil {
		return nil, err
	}
	got := []puro.Record{}
	for {
		rec, err := rd.Next()
		if err == nil {
			if wanted(r.Topics, rec.Topic) {
				got = append(got, *rec)
			}
			continue
		}
		then := "end"
		if err != puro.ErrEnd {
			then = word(err)
		}
		return object{"records": recordsOf(got, true), "token": rd.Token().String(), "then": then}, nil
	}
}

func wanted(topics []octets, topic []byte) bool {
	for _, t := range topics {
		if bytes.Equal(t, topic) {
			return true
		}
	}
	return len(topics) == 0
}

// seek goes to where a read is to begin: a number, or one of several texts.
func seek(rd *puro.Reader, r *request) error {
	from, isText := text(r.From)
	if !isText {
		from = string(r.From)
	}
	if from == "" || from == "null" || from == "beginning" {
		return rd.SeekBeginning()
	}
	if from == "end" {
		return rd.SeekEnd()
	}
	if at, ok := strings.CutPrefix(from, "@"); ok {
		t, err := strconv.ParseUint(at, 10, 64)
		if err != nil {
			return &puro.Error{Kind: puro.Refused, Text: "no time"}
		}
		now := uint64(time.Now().UnixMilli())
		if r.Clock != nil {
			now = *r.Clock
		}
		return rd.SeekTime(t, now)
	}
	if offset, err := strconv.ParseUint(from, 10, 64); err == nil {
		return rd.SeekOffset(offset)
	}
	t, err := puro.ParseToken(from)
	if err != nil {
		return err
	}
	return rd.SeekToken(t)
}

func verify(r *request) (object, error) {
	report, err := puro.Verify(r.Dir, r.options(), puro.VerifyOptions{Deep: r.Deep, NoPause: true})
	var texts []string
	for _, f := range report.Findings {
		texts = append(texts, fmt.Sprintf("%s %s %d %s", f.Weight, f.File, f.Position, f.Text))
	}
	return object{"verdict": report.Verdict, "findings": texts}, err
}

func create(r *request) (object, error) {
	made, err := puro.Create(r.Dir, r.Settings, r.options())
	return object{"made": made}, err
}

// producer gives that of the handle, or one for this request alone.
func (d *driver) producer(r *request) (p *puro.Producer, done func(), err error) {
	if p := d.producers[r.Handle]; r.Handle != "" && p != nil {
		p.Renew(r.options())
		return p, func() {}, nil
	}
	p, err = puro.OpenProducer(r.Dir, r.options())
	if err != nil {
		return nil, nil, err
	}
	if r.Handle != "" {
		d.producers[r.Handle] = p
		return p, func() {}, nil
	}
	return p, p.Close, nil
}

func (d *driver) append(r *request) (object, error) {
	b := puro.Batch{Records: r.batch(), Durable: r.Durable, Sequence: r.SequenceNo}
	if r.Identity != nil {
		b.Identity = *r.Identity
		if b.Identity == "" {
			return nil, &puro.Error{Kind: puro.Refused, Text: "an identity without a name"}
		}
	}
	if r.IfEnd != nil {
		t, err := puro.ParseToken(*r.IfEnd)
		if err != nil {
			return nil, err
		}
		b.IfEnd = &t
	}
	p, done, err := d.producer(r)
	if err != nil {
		return nil, err
	}
	defer done()
	at, err := p.Append(b)
	answer := object{"first_offset": at.FirstOffset, "count": at.Count}
	if at.Duplicate {
		answer["duplicate"] = true
	}
	return answer, err
}

func (d *driver) set(r *request) (object, error) {
	p, done, err := d.producer(r)
	if err != nil {
		return nil, err
	}
	defer done()
	n, _ := text(r.Name)
	if value, there := text(r.Value); there {
		return nil, p.Set(n, &value)
	}
	return nil, p.Set(n, nil)
}

func repair(r *request) (object, error) {
	p, err := puro.OpenProducer(r.Dir, r.options())
	if err != nil {
		return nil, err
	}
	defer p.Close()
	did, err := p.Repair()
	all := []object{}
	for _, one := range did {
		all = append(all, object{"label": one.Label, "position": one.Position})
	}
	return object{"repairs": all}, err
}

func (d *driver) consume(r *request) (object, error) {
	c := d.consumers[r.Handle]
	if r.Handle != "" && c != nil {
		c.Renew(r.options())
	} else {
		n, _ := text(r.Name)
		var err error
		if c, err = puro.OpenConsumer(r.Dir, n, r.options()); err != nil {
			return nil, err
		}
		if r.Handle != "" {
			d.consumers[r.Handle] = c
		} else {
			defer c.Close()
		}
	}
	take := uint64(math.MaxUint64)
	if r.Take != nil {
		take = *r.Take
	}
	got := []puro.Record{}
	for uint64(len(got)) < take {
		rec, err := c.Next()
		if err == puro.ErrEnd {
			break
		}
		if err != nil {
			return nil, err
		}
		got = append(got, *rec)
	}
	if r.Commit {
		if err := c.Commit(r.batch(), r.Durable); err != nil {
			return nil, err
		}
	}
	return object{"records": recordsOf(got, true), "token": c.Token().String()}, nil
}

func (d *driver) close(r *request) (object, error) {
	if p := d.producers[r.Handle]; p != nil {
		p.Close()
		delete(d.producers, r.Handle)
	}
	if c := d.consumers[r.Handle]; c != nil {
		c.Close()
		delete(d.consumers, r.Handle)
	}
	return nil, nil
}

func (d *driver) closeAll() {
	for _, p := range d.producers {
		p.Close()
	}
	for _, c := range d.consumers {
		c.Close()
	}
}
