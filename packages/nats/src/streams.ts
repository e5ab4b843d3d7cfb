import { AcuseError, type SourceStream } from '@acuse/core'
import type { StreamInfo } from '@nats-io/jetstream'
import { createStream, type NamedConfig, readStreamInfo } from './api.ts'
import type { Connection } from './connection.ts'
import { apiCodeOf, apiCodes, asAcuseError } from './errors.ts'
import { assertPartitions, assertSafeStream, assertUsable, type UnsafeSetting } from './settings.ts'
import { bucketConfigOf, streamConfigOf, streamNameOf, type StreamShape } from './topology.ts'

export interface StreamOptions extends StreamShape {
  readonly allowUnsafe: readonly UnsafeSetting[]
}

/**
 * Makes a stream of JetStream for one of Acuse, or checks the one that is there. Throws `ACUSE_STREAM_MISMATCH`, `ACUSE_UNSAFE_SETTING`,
 * and `ACUSE_TRANSPORT_UNAVAILABLE` while the server is away.
 */
export async function ensureStream(
  connection: Connection,
  stream: SourceStream,
  options: StreamOptions,
): Promise<StreamInfo> {
  const config = streamConfigOf(stream, options)
  const info = await addOrRead(connection, config, `stream ${stream.name}`, options.allowUnsafe)
  assertPartitions(stream.name, stream.partitions, info.config)
  for (const subject of config.subjects ?? []) assertUsable(info.config, subject)
  assertSafeStream(info.config, options)
  return info
}

/** Makes the bucket that keeps the groups' places and leases, or checks the one that is there. */
export async function ensureBucket(
  connection: Connection,
  bucket: string,
  options: StreamOptions,
): Promise<StreamInfo> {
  const info = await addOrRead(connection, bucketConfigOf(bucket, options), `bucket ${bucket}`, options.allowUnsafe)
  assertSafeStream(info.config, { ...options, isBucket: true })
  return info
}

/** Undefined where there is none. */
export async function readStream(connection: Connection, stream: string): Promise<StreamInfo | undefined> {
  try {
    return await readStreamInfo(connection, streamNameOf(stream))
  } catch (error) {
    if (apiCodeOf(error) === apiCodes.streamNotFound) return undefined
    throw asAcuseError(error, `stream ${stream}`)
  }
}

async function addOrRead(
  connection: Connection,
  config: NamedConfig,
  what: string,
  allowUnsafe: readonly UnsafeSetting[],
): Promise<StreamInfo> {
  try {
    // The same settings again change nothing.
    return await createStream(connection, config)
  } catch (error) {
    if (apiCodeOf(error) === apiCodes.replicasUnsupported) {
      if (!allowUnsafe.includes('replicas')) throw notClustered(config, what, error)
      return addOrRead(connection, { ...config, num_replicas: 1 }, what, allowUnsafe)
    }
    if (apiCodeOf(error) !== apiCodes.nameInUse) throw refused(error, what)
  }
  try {
    return await readStreamInfo(connection, config.name)
  } catch (error) {
    throw asAcuseError(error, what)
  }
}

function refused(error: unknown, what: string): AcuseError {
  return asAcuseError(error, `${what}: it could not be made`)
}

function notClustered({ num_replicas }: NamedConfig, what: string, cause: unknown): AcuseError {
  const text = `${what}: ${num_replicas} replicas are asked for, and the server is in no cluster: what was confirmed is gone with its disk. Mend it with: a cluster of ${num_replicas} servers. Or accept it with allowUnsafe: ['replicas'].`
  return new AcuseError('ACUSE_UNSAFE_SETTING', text, { cause })
}
