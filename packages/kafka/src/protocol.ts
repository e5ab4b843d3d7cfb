import {
  type API,
  consumerGroupHeartbeatV1,
  createAPI,
  createTopicsV7,
  describeConfigsV4,
  fetchV17,
  findCoordinatorV6,
  heartbeatV4,
  initProducerIdV4,
  joinGroupV9,
  leaveGroupV5,
  listOffsetsV9,
  metadataV12,
  offsetCommitV9,
  offsetFetchV9,
  produceV11,
  Reader,
  ResponseError,
  syncGroupV5,
  Writer,
} from '@platformatic/kafka'

export type MetadataResponse = metadataV12.MetadataResponse
export type MetadataResponseTopic = metadataV12.MetadataResponseTopic
export type CreateTopicsResponseTopic = createTopicsV7.CreateTopicsResponseTopic
export type FetchRequestTopic = fetchV17.FetchRequestTopic
export type FetchResponsePartition = fetchV17.FetchResponsePartition
export type JoinGroupResponse = joinGroupV9.JoinGroupResponse
export type GroupAssignment = consumerGroupHeartbeatV1.ConsumerGroupHeartbeatResponseAssignment
export type GroupHeartbeatResponse = consumerGroupHeartbeatV1.ConsumerGroupHeartbeatResponse

interface Requests {
  readonly metadata: typeof metadataV12.api
  readonly findCoordinator: typeof findCoordinatorV6.api
  readonly createTopics: typeof createTopicsV7.api
  readonly describeConfigs: typeof describeConfigsV4.api
  readonly initProducerId: typeof initProducerIdV4.api
  readonly produce: API<Parameters<typeof produceRequest>, produceV11.ProduceResponse>
  readonly fetch: typeof fetchV17.api
  readonly listOffsets: typeof listOffsetsV9.api
  readonly offsetFetch: typeof offsetFetchV9.api
  readonly offsetCommit: typeof offsetCommitV9.api
  readonly consumerGroupHeartbeat: typeof consumerGroupHeartbeatV1.api
  readonly joinGroup: typeof joinGroupV9.api
  readonly syncGroup: typeof syncGroupV5.api
  readonly heartbeat: typeof heartbeatV4.api
  readonly leaveGroup: typeof leaveGroupV5.api
}

/**
 * The requests of Kafka 4.0 that are used, which all later ones understand. Those for many partitions give what the broker answered for
 * each of them: the client's own throw when one of them failed, and the others' answers are lost.
 */
export const requests: Requests = {
  metadata: lenient(3, 12, metadataV12.createRequest, metadataV12.parseResponse),
  findCoordinator: lenient(10, 6, findCoordinatorV6.createRequest, findCoordinatorV6.parseResponse),
  createTopics: lenient(19, 7, createTopicsV7.createRequest, createTopicsV7.parseResponse),
  describeConfigs: lenient(32, 4, describeConfigsV4.createRequest, describeConfigsV4.parseResponse),
  initProducerId: initProducerIdV4.api,
  produce: lenient(0, 11, produceRequest, produceV11.parseResponse),
  fetch: lenient(1, 17, fetchV17.createRequest, fetchV17.parseResponse),
  listOffsets: lenient(2, 9, listOffsetsV9.createRequest, listOffsetsV9.parseResponse),
  offsetFetch: lenient(9, 9, offsetFetchV9.createRequest, offsetFetchV9.parseResponse),
  offsetCommit: lenient(8, 9, offsetCommitV9.createRequest, offsetCommitV9.parseResponse),
  consumerGroupHeartbeat: consumerGroupHeartbeatV1.api,
  joinGroup: lenient(11, 9, joinGroupV9.createRequest, joinGroupV9.parseResponse),
  syncGroup: lenient(14, 5, syncGroupV5.createRequest, syncGroupV5.parseResponse),
  heartbeat: lenient(12, 4, heartbeatV4.createRequest, heartbeatV4.parseResponse),
  leaveGroup: leaveGroupV5.api,
}

/** Records of a partition, as the broker stores them. */
export interface EncodedBatch {
  readonly topic: string
  readonly partition: number
  readonly bytes: Buffer
}

function produceRequest(acks: number, timeoutMs: number, batches: readonly EncodedBatch[]): Writer {
  const byTopic = [...Map.groupBy(batches, ({ topic }) => topic)]
  return Writer.create()
    .appendString(null) // no transaction
    .appendInt16(acks)
    .appendInt32(timeoutMs)
    .appendArray(byTopic, (writer, [topic, ofTopic]) => {
      writer.appendString(topic).appendArray(ofTopic, (inner, { partition, bytes }) => {
        inner
          .appendInt32(partition)
          .appendUnsignedVarInt(bytes.byteLength + 1)
          .append(bytes)
      })
    })
    .appendTaggedFields()
}

function lenient<Args extends unknown[], Response>(
  key: number,
  version: number,
  createRequest: (...args: Args) => Writer,
  parse: (correlationId: number, apiKey: number, apiVersion: number, reader: Reader) => Response,
): API<Args, Response> {
  return createAPI(key, version, createRequest, (correlationId, apiKey, apiVersion, reader): Response => {
    try {
      return parse(correlationId, apiKey, apiVersion, inOnePiece(reader))
    } catch (error) {
      if (error instanceof ResponseError) return error['response']
      throw error
    }
  })
}

/** The client looks for each number that it reads from the first of the pieces in which the answer came: of 1 MB that took a second. */
function inOnePiece(reader: Reader): Reader {
  return Reader.from(reader.buffer.slice(reader.position))
}
