# Snakemake runs this after it has made the environment of environment.yml. MMDetection3D without
# what it asks for, a hundred packages that are not used here: pip knows no other way.
python -m pip install --no-deps mmdet3d==1.4.0
