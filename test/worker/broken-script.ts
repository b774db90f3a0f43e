throw new SyntaxError('this script is broken');
