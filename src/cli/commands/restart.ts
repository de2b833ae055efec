import { anotherLife } from '../another-life.ts';

export const command = anotherLife(
  'restart',
  'Ends the processes of sandboxes and starts them again. Their files stay.',
);
