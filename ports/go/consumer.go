package puro

import (
	"bytes"
	"syscall"
)

// Consumer is the owner of a name: it reads on where its last run committed (C-2).
type Consumer struct {
	*Reader
	Fresh    bool // the name had no position: it begins at the beginning (C-9)
	name     string
	lock     *lockFile
	locks    *file // the directory consumers
	producer *Producer
	value    []byte // the entry as it was last read or written; nil where there is none
	place    uint64 // the offset that it says, or where reading began
}

// OpenConsumer takes the name, which is only tried (L-10), and stands at its position.
func OpenConsumer(path, name string, o Options) (*Consumer, error) {
	if !ValidName(name) {
		return nil, failf(Refused, "a consumer cannot be called %q", name) // F-11
	}
	p, err := OpenProducer(path, o)
	if err != nil {
		return nil, err
	}
	c := &Consumer{name: name, producer: p}
	if err := c.open(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Consumer) open() error {
	p := c.producer
	like, err := p.dir.file.stat()
	if err != nil {
		return err
	}
	if c.locks, err = makeDirectory(p.dir.file, "consumers", like); err != nil {
		return err
	}
	c.lock = &lockFile{dir: c.locks, name: c.name + ".lock"}
	var of *syscall.Stat_t
	if st, err := p.segment.file.stat(); err == nil {
		of = &st
	}
	if err := c.lock.acquire(0, of); err != nil {
		return err
	}
	c.lock.hint(p.clock())
	if c.Reader, err = newReader(p.dir, p.id, p.boot, p.wait); err != nil {
		return err
	}
	// The position is read behind the lock: another owner may have committed until then.
	_, s, err := p.dir.scanActive()
	if err != nil {
		return err
	}
	defer s.close()
	c.value = positionValue(s, c.name)
	at, there := parsePosition(c.value)
	if !there {
		c.Fresh = true
		err := c.SeekBeginning()
		c.place = c.Token().Offset
		return err
	}
	c.place = at.offset
	return c.SeekToken(Token{p.id, at.epoch, at.offset})
}

// positionValue is the entry of a name; what is no position counts as none (C-2).
func positionValue(s *segment, name string) []byte {
	v := s.state.Get(kindPosition, name)
	if _, ok := parsePosition(v); !ok {
		return nil
	}
	return v
}

// Close lets go of the segment, and then of the name.
func (c *Consumer) Close() {
	if c.Reader != nil {
		c.Reader.letGo()
	}
	if c.lock != nil {
		c.lock.drop()
	}
	c.locks.close()
	c.producer.Close()
}

// Commit commits the place that is read next, together with records made from what it
// covers: both or neither (C-3). Without records and without progress since the last one
// it does nothing (C-8).
func (c *Consumer) Commit(records []Record, durable *bool) error {
	t := c.Token()
	if c.value != nil && t.Offset == c.place && len(records) == 0 {
		return nil
	}
	var value []byte
	_, err := c.producer.Append(Batch{
		Records: records, Durable: durable,
		check: func(s *segment) error {
			if !bytes.Equal(positionValue(s, c.name), c.value) {
				return failf(Conflict, "somebody else committed for %s", c.name)
			}
			if s.state.diverged(t, s.next) {
				return failf(Diverged, "the history of %v is gone", t)
			}
			return nil
		},
		more: func(s *segment) ([]Entry, error) {
			now := max(c.producer.clock(), s.began()) // C-5
			value = position{t.Epoch, t.Offset, now}.value()
			return []Entry{{kindPosition, c.name, value}}, nil
		},
	})
	if err == nil || KindOf(err) == NotDurable {
		c.value, c.place = value, t.Offset // what is appended but not durable counts as written (C-2)
	}
	return err
}
