/** A request that cannot be carried out, with the status it is answered with. Nothing is remembered under its key. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError'
  readonly statusCode: number
  readonly code: string

  constructor(statusCode: number, code: string, message: string) {
    super(message)
    this.statusCode = statusCode
    this.code = code
  }
}
