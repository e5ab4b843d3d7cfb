// Package rabbit reads and writes streams of Acuse on RabbitMQ.
package rabbit

import (
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"acuse.example/go/wire"
)

// declareStream makes a stream as Acuse does, or finds it: a topic exchange whose routing keys are the types. The name of its
// alternate exchange has the partitions in it, so that who declares another number is refused.
func declareStream(channel *amqp.Channel, stream string, partitions int) error {
	marker := fmt.Sprintf("acuse.partitions-%d", partitions)
	if err := channel.ExchangeDeclare(marker, "fanout", true, false, false, false, nil); err != nil {
		return fmt.Errorf("exchange %s: %w", marker, err)
	}
	arguments := amqp.Table{"alternate-exchange": marker}
	if err := channel.ExchangeDeclare(stream, "topic", true, false, false, false, arguments); err != nil {
		return fmt.Errorf("stream %s with %d partitions: %w", stream, partitions, err)
	}
	return nil
}

// #region publishing

// publishingOf is a message as Acuse publishes it; its stream is the exchange and its type the routing key.
func publishingOf(m wire.Message, encode wire.Codec, partitions int) (amqp.Publishing, error) {
	encoded, err := encode(m)
	if err != nil {
		return amqp.Publishing{}, err
	}
	headers := amqp.Table{
		"acuse-lane":      m.Lane(),
		"acuse-partition": int32(wire.Partition(m, partitions)),
	}
	if key := m.RoutingKey(); key != "" {
		headers["acuse-key"] = key
	}
	for name, value := range encoded.Headers {
		if name != "content-type" {
			headers[name] = value
		}
	}
	return amqp.Publishing{
		MessageId:    m.ID,
		ContentType:  encoded.Headers["content-type"],
		DeliveryMode: amqp.Persistent,
		Headers:      headers,
		Body:         encoded.Body,
	}, nil
}

// #endregion

// messageOf is a delivery as a message.
func messageOf(d amqp.Delivery) (wire.Message, error) {
	headers := map[string]string{"content-type": d.ContentType}
	for name, value := range d.Headers {
		if text, ok := value.(string); ok {
			headers[name] = text
		}
	}
	m, err := wire.Decode(wire.Encoded{Headers: headers, Body: d.Body})
	if err != nil {
		return m, err
	}
	m.Stream, m.Type = d.Exchange, d.RoutingKey
	// Ids of more than 255 bytes do not fit into the property.
	if id := headers["acuse-id"]; id != "" {
		m.ID = id
	} else if d.MessageId != "" {
		m.ID = d.MessageId
	}
	return m, nil
}
