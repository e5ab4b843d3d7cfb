package kafka

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"acuse.example/go/wire"
)

const confirmedWithin = 30 * time.Second

// Publisher publishes to streams, one message at a time.
type Publisher struct {
	client *kgo.Client
	encode wire.Codec
}

// NewPublisher makes an idempotent producer, which is franz-go's default, as is that all replicas in sync have to confirm.
func NewPublisher(brokers []string, encode wire.Codec) (*Publisher, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(brokers...),
		kgo.RecordPartitioner(kgo.BasicConsistentPartitioner(partitioner)),
		kgo.RecordDeliveryTimeout(confirmedWithin),
	)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return &Publisher{client: client, encode: encode}, nil
}

// #region partitioner

// partitioner spreads keys as Acuse does. Kafka's own default would put the same key elsewhere, and its order would be lost.
func partitioner(string) func(*kgo.Record, int) int {
	return func(record *kgo.Record, partitions int) int {
		// The key of the record has the tenant in it already.
		return wire.Partition(wire.Message{Key: string(record.Key), ID: headerOf(record, idHeader)}, partitions)
	}
}

// #endregion

// Publish returns when all replicas in sync have the message. After an error nobody knows whether it arrived: publish the same
// message again, with the same id, before anything later of its key.
func (p *Publisher) Publish(ctx context.Context, m wire.Message) error {
	record, err := recordOf(m, p.encode)
	if err != nil {
		return err
	}
	if err := p.client.ProduceSync(ctx, record).FirstErr(); err != nil {
		return fmt.Errorf("message %s %s was not confirmed by topic %s: %w", m.Type, m.ID, m.Stream, err)
	}
	return nil
}

// Close ends the connections.
func (p *Publisher) Close() {
	p.client.Close()
}
