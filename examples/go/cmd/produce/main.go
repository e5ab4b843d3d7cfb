// Command produce publishes to a stream of Acuse what it reads from its input, a message a line, and prints the id of each that is
// confirmed.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"acuse.example/go/kafka"
	"acuse.example/go/rabbit"
	"acuse.example/go/wire"
)

// line is a message of the input. Its id is chosen before it is first sent, and stays the same however often that is.
type line struct {
	ID            string          `json:"id"`
	Type          string          `json:"type"`
	Version       int             `json:"version"`
	Key           string          `json:"key"`
	Priority      string          `json:"priority"`
	Tenant        string          `json:"tenant"`
	CorrelationID string          `json:"correlationId"`
	Data          json.RawMessage `json:"data"`
}

// publish sends one message and returns when it is confirmed.
type publish func(context.Context, wire.Message) error

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "produce:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	broker := flag.String("broker", "", "amqp://user:password@host:5672, or kafka://host:9092,host:9092")
	stream := flag.String("stream", "", "the stream to publish to")
	partitions := flag.Int("partitions", 4, "how many partitions its services declare; a topic of Kafka says it itself")
	codec := flag.String("codec", "cloudevents", "plain or cloudevents, as the stream's readers expect")
	source := flag.String("source", "go", "the name of this service")
	flag.Parse()
	if *broker == "" || *stream == "" {
		return errors.New("-broker and -stream are needed")
	}
	encode, err := wire.CodecNamed(*codec)
	if err != nil {
		return err
	}
	send, closing, err := open(*broker, *stream, *partitions, encode)
	if err != nil {
		return err
	}
	defer closing()
	input := json.NewDecoder(bufio.NewReader(os.Stdin))
	for {
		var next line
		if err := input.Decode(&next); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("the input: %w", err)
		}
		if next.ID == "" || next.Type == "" {
			return errors.New("the input: a message has no id or no type")
		}
		// One at a time, and the first error ends it: nothing of a key may overtake what is unconfirmed.
		if err := send(ctx, messageOf(next, *stream, *source)); err != nil {
			return err
		}
		fmt.Println(next.ID)
	}
}

func messageOf(from line, stream, source string) wire.Message {
	return wire.Message{
		ID: from.ID, Type: from.Type, Version: from.Version, Stream: stream, Key: from.Key, Data: from.Data, Source: source,
		Time: time.Now(), Priority: from.Priority, Tenant: from.Tenant, CorrelationID: from.CorrelationID,
	}
}

func open(broker, stream string, partitions int, encode wire.Codec) (publish, func(), error) {
	if brokers, is := strings.CutPrefix(broker, "kafka://"); is {
		publisher, err := kafka.NewPublisher(strings.Split(brokers, ","), encode)
		if err != nil {
			return nil, nil, err
		}
		return publisher.Publish, publisher.Close, nil
	}
	publisher, err := rabbit.NewPublisher(broker, stream, partitions, encode)
	if err != nil {
		return nil, nil, err
	}
	send := func(ctx context.Context, m wire.Message) error {
		isRead, err := publisher.Publish(ctx, m)
		if err == nil && !isRead {
			fmt.Fprintf(os.Stderr, "produce: nobody reads %s of stream %s\n", m.Type, stream)
		}
		return err
	}
	return send, func() { publisher.Close() }, nil
}
