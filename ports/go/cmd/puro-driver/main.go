// Command puro-driver answers the requests of puro-kit (kit.md): one JSON object a
// line in, one a line out.
package main

import (
	"bufio"
	"encoding/json"
	"os"

	"puro"
)

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	d := &driver{producers: map[string]*puro.Producer{}, consumers: map[string]*puro.Consumer{}}
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 1 {
			b, merr := json.Marshal(d.answer(line))
			if merr != nil {
				b = []byte(`{"error":"system","text":"the answer cannot be written"}`)
			}
			out.Write(b)
			out.WriteByte('\n')
			out.Flush()
		}
		if err != nil {
			d.closeAll()
			return
		}
	}
}
