from polyrepro.cli import main

main()
