package puro

import (
	"bytes"
	"math"
	"slices"
	"time"
)

// Weight is that of a finding (K-2).
type Weight string

// The weights, the heaviest last but for Unreadable, which damage outweighs.
const (
	Note       Weight = "note"
	Repairable Weight = "repairable"
	NotRead    Weight = "unreadable"
	Damage     Weight = "damage"
)

// Finding is something that verification saw.
type Finding struct {
	Weight   Weight
	File     string
	Position uint64
	Text     string
}

// Report is what verification says (K-2).
type Report struct {
	Verdict  string // sound, repairable, unreadable or damaged
	Findings []Finding
}

// VerifyOptions say how far verification goes.
type VerifyOptions struct {
	Deep    bool // K-14
	NoPause bool // no pause before the second look at the end
}

// Verify judges all files of a stream, and changes none (chapter 11). An error is no
// verdict (K-3).
func Verify(path string, o Options, how VerifyOptions) (Report, error) {
	dir, err := openDirectory(path)
	if err != nil {
		return Report{}, err
	}
	defer dir.close()
	v := &verifier{dir: dir, boot: o.boot(), wait: o.wait(), how: how}
	if err := v.run(); err != nil {
		return Report{}, err
	}
	return Report{v.verdict(), v.findings}, nil
}

type verifier struct {
	dir      *directory
	boot     [16]byte
	wait     time.Duration
	how      VerifyOptions
	id       [16]byte
	findings []Finding
	before   *segmentCheck // the segment before, if it was sound and stands right before
}

func (v *verifier) tell(w Weight, file string, position uint64, text string) {
	v.findings = append(v.findings, Finding{w, file, position, text})
}

func (v *verifier) verdict() string {
	seen := map[Weight]bool{}
	for _, f := range v.findings {
		seen[f.Weight] = true
	}
	switch {
	case seen[Damage]:
		return "damaged"
	case seen[NotRead]:
		return "unreadable"
	case seen[Repairable]:
		return "repairable"
	}
	return "sound"
}

// run goes from the names to the end of the active segment (K-4).
func (v *verifier) run() error {
	names, err := v.dir.names()
	if err != nil {
		return err
	}
	for _, n := range names {
		if _, ok := sequenceOf(n); !ok && (!belongs(n) || len(n) > 15 && n[10:15] == ".puro") {
			v.tell(Note, n, 0, "it has no place in a stream, or was left behind") // K-5
		}
	}
	all, err := v.dir.segments()
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return failf(NotAStream, "there is no segment in %s", v.dir.path) // K-3
	}
	own, err := v.whose(all)
	if err != nil || own == nil {
		return err
	}
	for i, n := range own {
		if i > 0 && own[i-1]+1 < n {
			v.tell(Damage, segmentName(own[i-1]+1), 0, "a number is missing") // K-5
			v.before = nil
		}
		last := true
		for _, later := range own[i+1:] {
			if !v.unreadable(later) {
				last = false
			}
		}
		if err := v.segment(n, i == 0, last); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) unreadable(n uint32) bool {
	return slices.ContainsFunc(v.findings, func(f Finding) bool {
		return f.Weight == NotRead && f.File == segmentName(n)
	})
}

// whose leaves out strays (K-6). It gives nothing where no file says which stream it is of.
func (v *verifier) whose(all []uint32) ([]uint32, error) {
	ids := map[uint32][16]byte{}
	count := map[[16]byte]int{}
	var own, saying []uint32
	for _, n := range all {
		h, what, err := v.dir.headerOf(n)
		switch {
		case err != nil && KindOf(err) == Newer:
			return nil, err // K-3
		case err != nil:
			v.tell(NotRead, segmentName(n), 0, err.Error()) // K-5
			own = append(own, n)
		case what == saysStream:
			ids[n] = h.StreamID
			count[h.StreamID]++
			saying = append(saying, n)
			own = append(own, n)
		case what == saysDamage:
			own = append(own, n)
		case what == saysOther:
			v.tell(Note, segmentName(n), 0, "a stray: its header has another number")
		}
	}
	if len(saying) == 0 {
		if !slices.ContainsFunc(own, func(n uint32) bool { return !v.unreadable(n) }) && len(own) > 0 {
			return own, nil // nothing of them can be read
		}
		v.tell(Damage, segmentName(all[0]), 0, "no file says which stream it is of")
		return nil, nil
	}
	v.id = ids[saying[0]]
	if v.id != ids[saying[len(saying)-1]] {
		var err error
		if v.id, err = v.dir.most(saying); err != nil {
			return nil, err
		}
	}
	own = slices.DeleteFunc(own, func(n uint32) bool {
		id, says := ids[n]
		stray := says && id != v.id
		if stray {
			v.tell(Note, segmentName(n), 0, "a stray: it is of another stream")
		}
		return stray
	})
	return own, nil
}

// segment judges one segment (K-7 to K-13). last says that it is the active one.
func (v *verifier) segment(n uint32, lowest, last bool) error {
	before := v.before
	v.before = nil
	if v.unreadable(n) {
		return nil
	}
	name := segmentName(n)
	p, err := v.dir.pin(n, v.wait)
	switch {
	case isMissing(err) && lowest:
		return nil // deleted meanwhile (K-4)
	case isMissing(err):
		v.tell(Damage, name, 0, "it is gone")
		return nil
	case err != nil && KindOf(err) == Damaged:
		v.tell(Damage, name, 0, err.Error()) // K-7
		return nil
	case err != nil && KindOf(err) == System:
		v.tell(NotRead, name, 0, err.Error())
		return nil
	case err != nil:
		return err
	}
	defer p.file.close()
	c := newSegmentCheck(v, p, before)
	c.walk()
	if last {
		v.activeEnd(c)
	} else {
		v.sealedEnd(c)
	}
	if c.s.header.Generation > 0 && c.s.last == KindEnd {
		c.openingDurable(c.s.end)
	}
	if c.sound {
		v.before = c
	}
	return nil
}

// sealedEnd wants a segment end, and nothing but zeros behind it (K-11). Behind damage
// it goes on where a block is valid again.
func (v *verifier) sealedEnd(c *segmentCheck) {
	for c.s.last != KindEnd {
		c.bad(c.s.end, "no committed block stands here, in a sealed segment")
		if !c.resume() {
			return
		}
		c.walk()
	}
	if zeros, err := c.s.zerosFrom(c.s.end); err != nil {
		v.tell(NotRead, c.s.name(), c.s.end, err.Error())
	} else if !zeros {
		c.bad(c.s.end, "bytes behind the segment end")
	}
}

// activeEnd judges the end of the stream by the recovery table (K-12, K-13).
func (v *verifier) activeEnd(c *segmentCheck) {
	s := c.s
	label, _, err := s.classify(v.boot, 0)
	for label != Clean && !v.how.NoPause { // a second look, and more while the end moves on
		end := s.end
		time.Sleep(PollInterval)
		c.walk()
		label, _, err = s.classify(v.boot, 0)
		if s.end == end {
			break
		}
	}
	switch {
	case err != nil:
		v.tell(NotRead, s.name(), s.end, err.Error())
	case label == LabelBroke:
		c.bad(s.end, "no writer may go on here")
	case label != Clean:
		v.tell(Repairable, s.name(), s.end, string(label))
	}
	if s.last != KindEnd {
		return
	}
	taken, err := v.dir.has(segmentName(s.sequence + 1))
	if err == nil && taken && !v.unreadable(s.sequence+1) {
		if _, what, herr := v.dir.headerOf(s.sequence + 1); herr == nil && what == saysStream {
			if h, _, _ := v.dir.headerOf(s.sequence + 1); h.StreamID == v.id {
				return // it was made meanwhile
			}
		}
		c.bad(s.end, "a stray has the name of the next segment")
		return
	}
	v.tell(Repairable, s.name(), s.end, "sealed, and the next one is not made") // K-13
}

// segmentCheck walks the blocks of one segment.
type segmentCheck struct {
	v     *verifier
	s     *segment
	sound bool
	chain bool // the chain, the state and times are known here (K-11)

	times      bool // all records blocks before were seen (F-22)
	running    uint64
	openings   []*Block
	checkpoint []controlRecord // of the checkpoint that is being read (F-51)
	inside     bool            // a checkpoint is being read
	parts      int             // how many blocks it has
	isOpening  bool            // it is the opening one
	carried    *State          // what the state was before it
	from       uint64          // the end of the checkpoint before (F-42)
	topics     map[string][]uint64
}

func newSegmentCheck(v *verifier, p *pinned, before *segmentCheck) *segmentCheck {
	s := &segment{file: p.file, sequence: p.sequence, header: p.header}
	s.begin()
	c := &segmentCheck{v: v, s: s, sound: true, chain: true, topics: map[string][]uint64{}, from: headerBytes}
	c.times = s.sequence == 0 // nothing stood before it
	if before != nil && before.s.last == KindEnd {
		if s.header.BaseOffset != before.s.next || s.header.Epoch != before.s.state.NewestEpoch() {
			c.bad(0, "the header does not continue the segment before") // K-7, F-49
		}
		c.times, c.running = before.times, before.running
		c.carried = before.s.state
	}
	return c
}

func (c *segmentCheck) bad(position uint64, text string) {
	c.sound = false
	c.v.tell(Damage, c.s.name(), position, text)
}

// walk goes over committed blocks, from where it stopped.
func (c *segmentCheck) walk() {
	s := c.s
	w := window{file: s.file}
	for s.last != KindEnd {
		is, b, err := checkBlock(w.at, s.header.CRC, s.end, s.chain())
		if err != nil {
			c.sound = false
			c.v.tell(NotRead, s.name(), s.end, err.Error())
			return
		}
		if is != Committed {
			break
		}
		c.block(b)
	}
	c.endCheckpoint()
}

// resume finds the next place where a block is valid, and goes on there.
func (c *segmentCheck) resume() bool {
	s := c.s
	w := window{file: s.file}
	for at := s.end + unit; ; at += unit {
		b, err := w.at(at, startBytes)
		if err != nil || len(b) < startBytes {
			return false
		}
		if start, stands := ParseStart(b, s.header.CRC, at); stands {
			if is, _, err := checkBlock(w.at, s.header.CRC, at, chain{}); err == nil && is != Invalid {
				s.end, s.crc, s.next = at, start.PrevCRC, start.FirstOffset
				s.last = KindRecords
				c.chain, c.times, c.inside = false, false, false
				return true
			}
		}
	}
}

// block judges one committed block by what depends on its place (K-8 to K-10, K-14).
func (c *segmentCheck) block(b *Block) {
	s := c.s
	opening := b.Kind == KindCheckpoint && s.opening == s.end
	if s.last == 0 && b.Kind != KindCheckpoint {
		c.bad(b.Position, "the first block is no checkpoint") // F-25
	}
	if b.Kind != KindCheckpoint {
		c.endCheckpoint()
	} else if !c.inside {
		c.beginCheckpoint(opening)
	}
	users, controls, err := parseBody(&b.Start, b.Body) // it makes a reader stop
	if err != nil {
		c.bad(b.Position, err.Error())
		controls = nil
	}
	switch {
	case b.Kind == KindRecords:
		c.running = max(c.running, b.Timestamp)
	case c.times && b.Timestamp != c.running:
		c.bad(b.Position, "the timestamp is not the highest before") // F-22
	case opening && !c.times && c.chain:
		c.running, c.times = b.Timestamp, true // what stood before is carried on by it
	}
	if !opening && b.DurableTo > b.Position {
		c.bad(b.Position, "durable_to lies behind the block") // F-23
	}
	if err := s.apply(b); err != nil {
		c.bad(b.Position, err.Error())
		s.end, s.crc, s.bodyLen, s.next, s.last = b.End(), b.CRC, b.BodyLen, b.Next(), b.Kind
		c.chain = false
	}
	switch {
	case opening:
		c.openings = append(c.openings, b)
		if b.Epoch != s.header.Epoch {
			c.bad(b.Position, "the epoch is not the header's") // E-5
		}
	case c.chain && b.Epoch != s.state.NewestEpoch():
		c.bad(b.Position, "the epoch is not the newest") // E-5
	}
	if b.Kind == KindRecords {
		c.remember(b, users)
	}
	if b.Kind == KindCheckpoint {
		c.checkpoint = append(c.checkpoint, controls...)
		c.parts++
	}
	if c.v.how.Deep {
		c.deep(b, opening, controls)
	}
}

// remember keeps in which blocks the topics are (F-42).
func (c *segmentCheck) remember(b *Block, users []Record) {
	for _, r := range users {
		at := c.topics[string(r.Topic)]
		if len(at) == 0 || at[len(at)-1] != b.Position {
			c.topics[string(r.Topic)] = append(at, b.Position)
		}
	}
}

func (c *segmentCheck) beginCheckpoint(opening bool) {
	c.inside, c.isOpening, c.checkpoint, c.parts = true, opening, nil, 0
	if !opening && c.chain {
		c.carried = copyState(c.s.state)
	} else if !opening {
		c.carried = nil
	}
}

// endCheckpoint judges all blocks of a checkpoint together.
func (c *segmentCheck) endCheckpoint() {
	if !c.inside {
		return
	}
	c.inside = false
	c.from = c.s.end
	clear(c.topics)
	if c.isOpening && c.s.header.Generation == 0 {
		c.openingDurable(c.s.end)
	}
	if !c.v.how.Deep {
		return
	}
	var last *controlRecord
	said := newState()
	for _, r := range c.checkpoint {
		if r.key == nil {
			continue
		}
		if last != nil {
			order := bytes.Compare(last.kind, r.kind)
			if order > 0 || order == 0 && bytes.Compare(last.key, r.key) >= 0 {
				c.bad(c.s.end, "the entries of a checkpoint are not in order") // F-37
			}
		}
		if r.value == nil {
			c.bad(c.s.end, "a checkpoint removes an entry")
		}
		last = &r
		_ = said.fold(r, math.MaxUint64)
	}
	if c.carried != nil && !sameState(c.carried, said) {
		c.bad(c.s.end, "a checkpoint is not the whole state") // F-37
	}
	c.carried = nil
}

// openingDurable wants that durable_to of the opening checkpoints is where they end, or
// in a compacted segment where that ends: zeros behind it do not count (F-23, F-38, F-56).
func (c *segmentCheck) openingDurable(end uint64) {
	for _, b := range c.openings {
		if b.DurableTo != end {
			c.bad(b.Position, "durable_to of an opening checkpoint is wrong")
		}
	}
}

func copyState(s *State) *State {
	c := newState()
	for k, v := range s.entries {
		c.entries[k] = v
	}
	return c
}

func sameState(a, b *State) bool {
	if len(a.entries) != len(b.entries) {
		return false
	}
	for k, v := range a.entries {
		if w, ok := b.entries[k]; !ok || !bytes.Equal(v, w) {
			return false
		}
	}
	return true
}

// deep judges gaps and indexes of topics (K-14).
func (c *segmentCheck) deep(b *Block, opening bool, controls []controlRecord) {
	for i, r := range controls {
		if r.key != nil {
			continue
		}
		switch string(r.kind) {
		case kindGap:
			if b.Kind != KindRecords || c.s.header.Generation == 0 { // F-33
				c.bad(b.Position, "a gap where none may stand")
			}
		case "topics":
			if b.Kind == KindRecords || opening || i != len(controls)-1 || c.parts > 1 {
				continue // elsewhere it is ignored (F-42)
			}
			if c.chain && !c.indexRight(b.Position, r.value) {
				c.bad(b.Position, "the index of topics is wrong")
			}
		}
	}
}

// indexRight compares an index of topics with the blocks of which it speaks (F-42).
func (c *segmentCheck) indexRight(position uint64, value []byte) bool {
	if len(value) < 8 {
		return false
	}
	from := c.from
	var want []byte
	names := make([]string, 0, len(c.topics))
	for t := range c.topics {
		names = append(names, t)
	}
	slices.Sort(names)
	for i := range 8 {
		want = append(want, byte(from>>(8*i)))
	}
	if bytes.Equal(value, want) {
		return true // an index without topics says nothing
	}
	for _, t := range names {
		want = AppendVarint(want, uint64(len(t)))
		want = append(want, t...)
		want = AppendVarint(want, uint64(len(c.topics[t])))
		at := from
		for _, p := range c.topics[t] {
			want = AppendVarint(want, (p-at)/unit)
			at = p
		}
	}
	return bytes.Equal(value, want)
}
