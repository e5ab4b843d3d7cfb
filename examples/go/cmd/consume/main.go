// Command consume reads a stream of Acuse and writes what it has read into a journal, each message once.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"acuse.example/go/journal"
	"acuse.example/go/kafka"
	"acuse.example/go/rabbit"
	"acuse.example/go/wire"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "consume:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	broker := flag.String("broker", "", "amqp://user:password@host:5672, or kafka://host:9092,host:9092")
	stream := flag.String("stream", "", "the stream to read")
	partitions := flag.Int("partitions", 4, "how many partitions its services declare")
	group := flag.String("group", "", "who reads: the queue's name, or the consumer group's")
	types := flag.String("types", "", "the types to read, with commas between them; all where it is empty")
	path := flag.String("journal", "", "the file for what was read")
	flag.Parse()
	if *broker == "" || *stream == "" || *group == "" || *path == "" {
		return errors.New("-broker, -stream, -group and -journal are needed")
	}
	effects, err := journal.Open(*path)
	if err != nil {
		return err
	}
	defer effects.Close()
	handle := func(_ context.Context, m wire.Message) error {
		return effects.Apply(journal.Effect{
			ID: m.ID, Type: m.Type, Version: m.Version, Key: m.Key, Tenant: m.Tenant, CorrelationID: m.CorrelationID, Data: m.Data,
		})
	}
	bury := func(raw []byte, why error) error { return appendLine(*path+".dead", fmt.Sprintf("%v: %q", why, raw)) }
	ready := func() { fmt.Println("ready") }
	wanted := strings.FieldsFunc(*types, func(r rune) bool { return r == ',' })
	if brokers, is := strings.CutPrefix(*broker, "kafka://"); is {
		return kafka.Consumer{
			Brokers: strings.Split(brokers, ","), Stream: *stream, Group: *group, Types: wanted,
			Handle: handle, Bury: bury, Ready: ready,
		}.Run(ctx)
	}
	return rabbit.Consumer{
		URL: *broker, Stream: *stream, Partitions: *partitions, Queue: *group, Types: wanted,
		Handle: handle, Bury: bury, Ready: ready,
	}.Run(ctx)
}

func appendLine(path, line string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := fmt.Fprintln(file, line); err != nil {
		return err
	}
	return file.Sync()
}
