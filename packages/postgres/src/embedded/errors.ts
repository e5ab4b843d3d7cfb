import { AcuseError, type ErrorCode } from '@acuse/core'

/**
 * The embedded server could not be located, started, joined or stopped. The message names the folder, the port
 * where one was chosen, and the last lines of the server's log where it wrote any.
 *
 * `code` is `ACUSE_EMBEDDED_SERVER`, `ACUSE_MISSING_PACKAGE` when the binaries are not installed, or
 * `ACUSE_CONFIGURATION` when an option cannot be honoured.
 */
export class EmbeddedServerError extends AcuseError {
  constructor(message: string, options?: { readonly cause?: unknown; readonly code?: ErrorCode }) {
    super(options?.code ?? 'ACUSE_EMBEDDED_SERVER', message, options)
    this.name = 'EmbeddedServerError'
  }
}
