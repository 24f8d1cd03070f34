// Command puro-go appends lines to a stream, and prints its records as lines.
//
//	puro-go create DIR [NAME=VALUE...]
//	puro-go produce [-topic T] [-key-delimiter D] [-durable] [-batch N] DIR < lines
//	puro-go consume [-from PLACE] [-name NAME] [-topic T] [-e] DIR
//	puro-go repair DIR
//	puro-go verify [-deep] DIR
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"

	"puro"
)

// interrupted is set by a signal; work ends between two blocks (K-16).
var interrupted atomic.Bool

// errUsage says that the call was wrong, and errInterrupted that a signal ended it.
var (
	errUsage       = errors.New("usage: puro-go create|produce|consume|repair|verify [OPTIONS] DIR")
	errInterrupted = errors.New("interrupted")
)

// ended is how a program ends that did all it could (K-16).
type ended int

func (e ended) Error() string { return "" }

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		interrupted.Store(true)
		os.Stdin.Close()
	}()
	err := run(os.Args[1:])
	var e ended
	switch {
	case errors.As(err, &e):
		os.Exit(int(e))
	case err != nil:
		fmt.Fprintln(os.Stderr, "puro-go:", err)
		os.Exit(exitCode(err))
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	do, ok := commands[args[0]]
	if !ok {
		return errUsage
	}
	return do(flags, args[1:])
}

var commands = map[string]func(*flag.FlagSet, []string) error{
	"create": create, "produce": produce, "consume": consume, "repair": repair, "verify": verify,
}

// exitCode follows whose fault it is (K-16).
func exitCode(err error) int {
	switch {
	case errors.Is(err, errUsage):
		return 64
	case errors.Is(err, errInterrupted):
		return 130
	}
	switch puro.KindOf(err) {
	case puro.Damaged, puro.Foreign, puro.Diverged:
		return 2
	case puro.Refused, puro.NotAStream, puro.OutOfRange, puro.OldSequence:
		return 64
	}
	return 74
}

// directory parses the options, and gives the directory that is left.
func directory(flags *flag.FlagSet, args []string) (string, error) {
	if err := flags.Parse(args); err != nil {
		return "", fmt.Errorf("%w: %w", errUsage, err)
	}
	if flags.NArg() < 1 {
		return "", errUsage
	}
	return flags.Arg(0), nil
}

func create(flags *flag.FlagSet, args []string) error {
	dir, err := directory(flags, args)
	if err != nil {
		return err
	}
	settings := map[string]string{}
	for _, s := range flags.Args()[1:] {
		name, value, ok := strings.Cut(s, "=")
		if !ok {
			return errUsage
		}
		settings[name] = value
	}
	_, err = puro.Create(dir, settings, puro.Options{})
	return err
}

func repair(flags *flag.FlagSet, args []string) error {
	dir, err := directory(flags, args)
	if err != nil {
		return err
	}
	p, err := puro.OpenProducer(dir, puro.Options{})
	if err != nil {
		return err
	}
	defer p.Close()
	_, err = p.Repair()
	tell(p)
	return err
}

// tell says what was repaired on the way.
func tell(p *puro.Producer) {
	for _, r := range p.Repairs() {
		fmt.Fprintf(os.Stderr, "puro-go: repaired segment %d at %d: %s, %d bytes cut", r.Segment, r.Position, r.Label, r.Length)
		if r.Saved != "" {
			fmt.Fprintf(os.Stderr, ", saved in %s", r.Saved)
		}
		fmt.Fprintln(os.Stderr)
	}
}

func verify(flags *flag.FlagSet, args []string) error {
	deep := flags.Bool("deep", false, "look at every record, checkpoint and index, too")
	dir, err := directory(flags, args)
	if err != nil {
		return err
	}
	report, err := puro.Verify(dir, puro.Options{}, puro.VerifyOptions{Deep: *deep})
	if err != nil {
		return err
	}
	for _, f := range report.Findings {
		fmt.Printf("%s\t%s\t%d\t%s\n", f.Weight, f.File, f.Position, f.Text)
	}
	fmt.Println(report.Verdict)
	code := map[string]int{"repairable": 1, "damaged": 2, "unreadable": 74}[report.Verdict]
	if code == 0 {
		return nil
	}
	return ended(code)
}
