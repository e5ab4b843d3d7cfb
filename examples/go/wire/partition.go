package wire

import "hash/crc32"

// #region partition

// Partition is where a message belongs: everybody who publishes to a stream has to agree on it, or a key has no order.
func Partition(m Message, partitions int) int {
	spreadBy := m.RoutingKey()
	if spreadBy == "" {
		spreadBy = m.ID
	}
	return int(crc32.ChecksumIEEE([]byte(spreadBy)) % uint32(partitions))
}

// #endregion
