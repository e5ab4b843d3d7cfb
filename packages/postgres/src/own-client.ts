import { Client, type ClientConfig } from 'pg'

/** pg's client, but one whose password cannot be had ends its connection: the server would hold it for a minute, and with it a DROP DATABASE. */
export class OwnClient extends Client {
  constructor(config?: string | ClientConfig) {
    super(config)
    this.connection.on('error', () => this.connection.stream.destroy())
  }
}
