/** Starts the consumer from the environment. */
import { serve } from '../serve.js'
import { buildConsumer, loadHandlers } from './app.js'

await serve(async (start) => buildConsumer({ ...start, handlers: await loadHandlers() }), 'CONSUMER_PORT')
