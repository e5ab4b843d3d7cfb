import { AcuseError, ConfigurationError, messageOf } from '@acuse/core'

/** Reply codes of AMQP 0-9-1 that ask for an answer of their own. */
const accessRefused = 403
const notFound = 404
const preconditionFailed = 406

/** Arguments that the promises rest on: what happens where a queue that is there has others. */
const dangers: Readonly<Record<string, string>> = {
  durable: 'the queue and all it holds are gone when the server restarts',
  'x-queue-type': 'only quorum queues keep what was confirmed when a node is lost',
  'x-overflow': 'drop-head throws away confirmed messages when the queue is full',
  'x-dead-letter-strategy': 'at-most-once dead-lettering loses messages when a node is lost meanwhile',
  'x-delivery-limit': 'the broker takes messages away from the group after so many deliveries',
  'x-dead-letter-exchange': 'what the broker takes out of the queue is gone',
  'x-single-active-consumer': 'order per key does not hold between consumers',
}

function codeOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'number' ? error.code : undefined
}

/** What the server refuses for this one exchange, while others go on. */
export function isOfDestination(error: unknown): boolean {
  const code = codeOf(error instanceof AcuseError ? error.cause : error)
  return code === accessRefused || code === notFound
}

/** Whether the server does not let this user, or this consumer, do it. */
export function isRefused(error: unknown): boolean {
  return codeOf(error) === accessRefused
}

/** What the server said about declaring or consuming, as an error that says what to do. */
export function asAcuseError(error: unknown, what: string): AcuseError {
  if (error instanceof AcuseError) return error
  const text = messageOf(error)
  switch (codeOf(error)) {
    case preconditionFailed:
      return mismatch(text, what, error)
    case accessRefused:
      return new AcuseError(
        'ACUSE_TRANSPORT_UNAVAILABLE',
        `${what}: RabbitMQ refused it: ${text}. Grant it to the user.`,
        {
          cause: error,
        },
      )
    case notFound:
      return new AcuseError('ACUSE_TRANSPORT_UNAVAILABLE', `${what}: it is not there: ${text}.`, { cause: error })
    default:
      return new AcuseError('ACUSE_TRANSPORT_UNAVAILABLE', `${what}: ${text}; it is tried again.`, { cause: error })
  }
}

/** `inequivalent arg 'x-overflow' for queue 'q' in vhost '/': received 'reject-publish' but current is 'drop-head'` */
const inequivalent = /inequivalent arg '([^']+)' for (queue|exchange) '([^']+)'.*?: (received .*?)"?$/

function mismatch(text: string, what: string, cause: unknown): AcuseError {
  const found = inequivalent.exec(text)
  if (found === null) {
    return new AcuseError('ACUSE_TRANSPORT_UNAVAILABLE', `${what}: ${text}; it is tried again.`, { cause })
  }
  const [, argument = '', kind = '', name = '', difference = ''] = found
  const counts = /acuse\.partitions-(\d+).*acuse\.partitions-(\d+)/.exec(difference)
  if (argument === 'alternate-exchange' && counts !== null) {
    return new AcuseError(
      'ACUSE_STREAM_MISMATCH',
      `stream ${name} is declared with ${counts[1]} partitions here, but with ${counts[2]} on the server. Every service must declare the same number.`,
      { cause },
    )
  }
  const danger = dangers[argument]
  const remedy = `Empty and delete the ${kind}, or give the group another name; Acuse never deletes it.`
  if (danger === undefined) {
    return new ConfigurationError(
      `${what}: ${kind} ${name} is there with another ${argument}: ${difference}. ${remedy}`,
    )
  }
  return new AcuseError(
    'ACUSE_UNSAFE_SETTING',
    `${what}: ${kind} ${name} is there with another ${argument}: ${difference}, where ${danger}. ${remedy}`,
    { cause },
  )
}
