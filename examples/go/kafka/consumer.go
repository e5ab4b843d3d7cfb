package kafka

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"acuse.example/go/wire"
)

// Consumer says what is read, and what is done with it.
type Consumer struct {
	Brokers []string
	Stream  string
	Group   string
	// Types that are asked for; none asks for all of them.
	Types []string
	// Handle is given each message, those of a key in their order, again if the process ends before its commit. An error ends the consumer.
	Handle func(context.Context, wire.Message) error
	// Bury is given what is no message.
	Bury func(raw []byte, why error) error
	// Ready is called when reading begins.
	Ready func()
}

const mostPolled = 500

// sessionTimeout is how long the partitions of a process that was killed wait for another one.
const sessionTimeout = 10 * time.Second

// metadataAge is how long it takes at most until a topic is noticed that was made later.
const metadataAge = 5 * time.Second

// Run reads until the context is done, then finishes and commits what it has. A new group begins with the oldest message.
func (c Consumer) Run(ctx context.Context) error {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(c.Brokers...),
		kgo.ConsumerGroup(c.Group),
		kgo.ConsumeTopics(c.Stream),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		// Offsets are committed after the work, and no partition goes to another process in between.
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.SessionTimeout(sessionTimeout),
		kgo.MetadataMaxAge(metadataAge),
	)
	if err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	defer client.CloseAllowingRebalance()
	c.Ready()
	for ctx.Err() == nil {
		if err := c.takeSome(ctx, client); err != nil {
			return err
		}
	}
	return nil
}

// #region take

// takeSome handles what has come, one message after the other, and commits after the work, never before. Where that is too slow,
// give each partition a goroutine: a key is always in the same one.
func (c Consumer) takeSome(ctx context.Context, client *kgo.Client) error {
	fetches := client.PollRecords(ctx, mostPolled)
	defer client.AllowRebalance()
	if ctx.Err() != nil {
		return nil
	}
	for _, failed := range fetches.Errors() {
		return fmt.Errorf("topic %s, partition %d: %w", failed.Topic, failed.Partition, failed.Err)
	}
	// What has begun is finished and committed, also when the process is told to stop meanwhile.
	work := context.WithoutCancel(ctx)
	for _, record := range fetches.Records() {
		if err := c.take(work, record); err != nil {
			return fmt.Errorf("topic %s, partition %d, offset %d: %w", record.Topic, record.Partition, record.Offset, err)
		}
	}
	return client.CommitUncommittedOffsets(work)
}

// #endregion

func (c Consumer) take(ctx context.Context, record *kgo.Record) error {
	message, err := messageOf(record)
	if err != nil {
		return c.Bury(record.Value, err)
	}
	if len(c.Types) > 0 && !slices.Contains(c.Types, message.Type) {
		return nil
	}
	return c.Handle(ctx, message)
}
