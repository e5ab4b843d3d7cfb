package rabbit

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"acuse.example/go/wire"
)

// Consumer says what is read, and what is done with it.
type Consumer struct {
	URL    string
	Stream string
	// Partitions as the stream's services declare them.
	Partitions int
	// Queue is this service's own, and keeps what comes while nobody reads.
	Queue string
	// Types that are asked for; none asks for all of them.
	Types []string
	// Handle is given each message in its order, again if the process ends before its ack. An error ends the consumer.
	Handle func(context.Context, wire.Message) error
	// Bury is given what is no message.
	Bury func(raw []byte, why error) error
	// Ready is called when everything that is published from now on will come.
	Ready func()
}

const prefetch = 50

// Run reads until the context is done, then finishes the message at hand. The queue has one active consumer: more processes stand by.
func (c Consumer) Run(ctx context.Context) error {
	connection, err := amqp.Dial(c.URL)
	if err != nil {
		return fmt.Errorf("connecting to RabbitMQ: %w", err)
	}
	defer connection.Close()
	channel, err := connection.Channel()
	if err != nil {
		return fmt.Errorf("opening a channel: %w", err)
	}
	deliveries, err := c.subscribe(channel)
	if err != nil {
		return err
	}
	c.Ready()
	for {
		// A select takes either where both are ready, and nothing more is to be begun.
		if ctx.Err() != nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case delivery, open := <-deliveries:
			if !open {
				return errors.New("RabbitMQ closed the channel; start again, and what was not acked comes again")
			}
			if err := c.take(ctx, delivery); err != nil {
				return err
			}
		}
	}
}

func (c Consumer) subscribe(channel *amqp.Channel) (<-chan amqp.Delivery, error) {
	if err := declareStream(channel, c.Stream, c.Partitions); err != nil {
		return nil, err
	}
	dead := c.Queue + ".dlq"
	quorum := amqp.Table{"x-queue-type": "quorum"}
	if _, err := channel.QueueDeclare(dead, true, false, false, false, quorum); err != nil {
		return nil, fmt.Errorf("queue %s: %w", dead, err)
	}
	arguments := amqp.Table{
		"x-queue-type": "quorum",
		// Of several processes one reads at a time, or there is no order.
		"x-single-active-consumer": true,
		// RabbitMQ 4 would drop a message after 20 crashes, and where it must give one up it has to put it somewhere.
		"x-delivery-limit":          1_000_000,
		"x-overflow":                "reject-publish",
		"x-dead-letter-exchange":    "",
		"x-dead-letter-routing-key": dead,
		"x-dead-letter-strategy":    "at-least-once",
	}
	if _, err := channel.QueueDeclare(c.Queue, true, false, false, false, arguments); err != nil {
		return nil, fmt.Errorf("queue %s: %w", c.Queue, err)
	}
	types := c.Types
	if len(types) == 0 {
		types = []string{"#"}
	}
	for _, wanted := range types {
		if err := channel.QueueBind(c.Queue, wanted, c.Stream, false, nil); err != nil {
			return nil, fmt.Errorf("binding %s to %s: %w", c.Queue, wanted, err)
		}
	}
	if err := channel.Qos(prefetch, 0, false); err != nil {
		return nil, err
	}
	return channel.Consume(c.Queue, "", false, false, false, false, nil)
}

// #region take

// take acks after the work, never before. Whatever ends the process in between, the message comes again.
func (c Consumer) take(ctx context.Context, delivery amqp.Delivery) error {
	message, err := messageOf(delivery)
	if err != nil {
		if err := c.Bury(delivery.Body, err); err != nil {
			return err
		}
		return delivery.Ack(false)
	}
	// What has begun is finished, also when the process is told to stop meanwhile.
	if err := c.Handle(context.WithoutCancel(ctx), message); err != nil {
		// Not a nack: it would come again behind later ones. Closing the channel gives everything back in its order.
		return fmt.Errorf("message %s %s: %w", message.Type, message.ID, err)
	}
	return delivery.Ack(false)
}

// #endregion
