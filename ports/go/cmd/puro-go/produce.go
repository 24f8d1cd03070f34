package main

import (
	"bufio"
	"errors"
	"flag"
	"io"
	"os"
	"strings"

	"puro"
)

// produce appends each line of stdin as a record, in blocks of what is there at once.
func produce(flags *flag.FlagSet, args []string) error {
	topic := flags.String("topic", "lines", "the topic of all records")
	delimiter := flags.String("key-delimiter", "", "splits each line into key and value")
	durable := flags.Bool("durable", false, "make each block safe from a loss of power")
	batch := flags.Int("batch", 1000, "most records in a block")
	dir, err := directory(flags, args)
	if err != nil {
		return err
	}
	if _, err := puro.Create(dir, nil, puro.Options{}); err != nil {
		return err
	}
	p, err := puro.OpenProducer(dir, puro.Options{})
	if err != nil {
		return err
	}
	defer p.Close()
	defer tell(p)
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	for {
		records, err := lines(in, *batch, *topic, *delimiter)
		if len(records) > 0 {
			b := puro.Batch{Records: records}
			if *durable {
				b.Durable = durable
			}
			if _, err := p.Append(b); err != nil {
				return err
			}
		}
		switch {
		case interrupted.Load():
			return errInterrupted
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// lines waits for one line, and takes with it those that can be had without waiting.
func lines(in *bufio.Reader, most int, topic, delimiter string) ([]puro.Record, error) {
	var all []puro.Record
	size := 0
	for len(all) < most && size < 1<<20 {
		line, err := in.ReadString('\n')
		if line != "" {
			r := puro.Record{Topic: []byte(topic), Value: []byte(strings.TrimSuffix(line, "\n"))}
			if key, value, ok := strings.Cut(string(r.Value), delimiter); ok && delimiter != "" {
				r.Key, r.Value = []byte(key), []byte(value)
			}
			all = append(all, r)
			size += len(line)
		}
		if err != nil {
			return all, err
		}
		if in.Buffered() == 0 {
			break
		}
	}
	return all, nil
}
