package rabbit

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"acuse.example/go/wire"
)

// Publisher publishes to one stream, one message at a time. Where that is too slow, have several and give each key to one of them.
type Publisher struct {
	connection *amqp.Connection
	channel    *amqp.Channel
	returned   chan amqp.Return
	stream     string
	partitions int
	encode     wire.Codec
}

// NewPublisher connects and declares the stream.
func NewPublisher(url, stream string, partitions int, encode wire.Codec) (*Publisher, error) {
	connection, err := amqp.Dial(url)
	if err != nil {
		return nil, fmt.Errorf("connecting to RabbitMQ: %w", err)
	}
	p := &Publisher{connection: connection, stream: stream, partitions: partitions, encode: encode}
	if err := p.open(); err != nil {
		connection.Close()
		return nil, err
	}
	return p, nil
}

func (p *Publisher) open() (err error) {
	if p.channel, err = p.connection.Channel(); err != nil {
		return fmt.Errorf("opening a channel: %w", err)
	}
	if err = declareStream(p.channel, p.stream, p.partitions); err != nil {
		return err
	}
	// What is returned is told just before it is confirmed, so one place is enough.
	p.returned = p.channel.NotifyReturn(make(chan amqp.Return, 1))
	return p.channel.Confirm(false)
}

// #region publish

// Publish returns when the broker has the message on disk, and says whether anybody will read it. After an error nobody knows
// whether it arrived: publish the same message again, with the same id, before anything later of its key.
func (p *Publisher) Publish(ctx context.Context, m wire.Message) (isRead bool, err error) {
	publishing, err := publishingOf(m, p.encode, p.partitions)
	if err != nil {
		return false, err
	}
	confirmation, err := p.channel.PublishWithDeferredConfirmWithContext(ctx, p.stream, m.Type, true, false, publishing)
	if err != nil {
		return false, fmt.Errorf("message %s %s: %w", m.Type, m.ID, err)
	}
	confirmed, err := confirmation.WaitContext(ctx)
	if err != nil {
		return false, fmt.Errorf("message %s %s was not confirmed: %w", m.Type, m.ID, err)
	}
	if !confirmed {
		return false, fmt.Errorf("message %s %s: %w", m.Type, m.ID, errRefused)
	}
	select {
	case <-p.returned:
		return false, nil
	default:
		return true, nil
	}
}

// #endregion

var errRefused = errors.New("RabbitMQ refused it: a queue of one of the groups is full, or missing")

// Close ends the connection.
func (p *Publisher) Close() error {
	return p.connection.Close()
}
